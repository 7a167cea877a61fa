import { AppError } from "../../lib/errors.ts";
import { authorize, notFound } from "../accounts/service.ts";
import { datasetTitle } from "./names.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetOperationDeps, DatasetRequest } from "./types.ts";

type StoreOnly = Pick<DatasetOperationDeps, "store">;

/**
 * A dataset that the principal may read.
 * @throws AppError NOT_FOUND, also for a dataset of another account; FORBIDDEN.
 */
export async function getReadableDataset(
  { store }: StoreOnly,
  { principal, dataset }: DatasetRequest,
): Promise<DatasetRow> {
  const title = datasetTitle(dataset);
  authorize(principal, dataset.accountId, "read", title);
  const row = await store.get(dataset);
  if (row === null) throw notFound(title);
  return row;
}

/**
 * A dataset that the principal may change.
 * @throws AppError NOT_FOUND, also for a dataset of another account; FORBIDDEN.
 */
export async function getWritableDataset(
  { store }: StoreOnly,
  { principal, dataset }: DatasetRequest,
): Promise<DatasetRow> {
  const title = datasetTitle(dataset);
  authorize(principal, dataset.accountId, "write", title);
  const row = await store.get(dataset);
  if (row === null) throw notFound(title);
  authorize(principal, dataset.accountId, "write", title, row.createdBy);
  return row;
}

/** @throws AppError FAILED_PRECONDITION unless the rows have been checked. */
export function requireReady(row: DatasetRow): void {
  if (row.state === "READY") return;
  throw new AppError("FAILED_PRECONDITION", `${datasetTitle(row)} is not READY.`);
}

/** @throws AppError NOT_FOUND when the dataset `before` is gone, also when its id belongs to a new dataset. */
export function requireSameDataset(before: DatasetRow, row: DatasetRow | null): asserts row is DatasetRow {
  if (row?.uid !== before.uid) throw notFound(datasetTitle(before));
}

/** @param param the field of the request that would have changed the dataset */
export function immutableError(row: DatasetRow, param: string): AppError {
  return new AppError(
    "FAILED_PRECONDITION",
    `${datasetTitle(row)} is READY: its rows don't change any more.`,
    { param },
  );
}
