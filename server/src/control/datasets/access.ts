import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { authorize, notFound, type Permission, type Principal } from "../accounts/service.ts";
import { datasetTitle } from "./names.ts";
import type { RowCheckPool } from "./rows/row-check-pool.ts";
import type { DatasetRow, DatasetStore } from "./store.ts";
import type { DatasetFields, Provenance } from "./view.ts";

/** What the parts of the service share. */
export interface DatasetsDeps {
  store: DatasetStore;
  clock: Clock;
  blobs: Blobs;
  rowCheckPool: RowCheckPool;
}

/**
 * The dataset, when the principal may do this to it.
 * @throws AppError NOT_FOUND, also for another account's; FORBIDDEN.
 */
export async function getAuthorizedDataset(
  { store }: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  right: Permission,
): Promise<DatasetRow> {
  const title = datasetTitle(accountId, id);
  authorize(principal, accountId, right, title);
  const row = await store.get(accountId, id);
  if (row === null) throw notFound(title);
  if (right !== "read") authorize(principal, accountId, right, title, row.createdBy);
  return row;
}

/** @throws AppError NOT_FOUND when the dataset that was seen is gone, also when its id is used again. */
export function requireSameDataset(seen: DatasetRow, row: DatasetRow | null): asserts row is DatasetRow {
  if (row?.uid !== seen.uid) throw notFound(datasetTitle(seen.accountId, seen.id));
}

/** A dataset without files. */
export function newRow(
  { clock }: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  given: DatasetFields & Pick<Provenance, "origin"> & { sourceUid: string | null },
): DatasetRow {
  const now = new Date(clock.now());
  return {
    accountId,
    id,
    uid: uuidv7Hex(clock.now()),
    state: "UPLOADING",
    estimatedTokenCount: 0,
    averageTurnCount: 0,
    statusCode: "OK",
    statusMessage: "",
    checkId: null,
    files: {},
    createdBy: principal.userId,
    createTime: now,
    updateTime: now,
    revision: 0,
    ...given,
  };
}
