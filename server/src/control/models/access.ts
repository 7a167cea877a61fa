import type { Clock } from "../../lib/clock.ts";
import type { AppError, ErrorCode } from "../../lib/errors.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { authorize, canSee, notFound, type Principal } from "../accounts/service.ts";
import type { ModelFields } from "./fields.ts";
import type { ModelWeights } from "./files/weights.ts";
import { modelTitle, readModelName } from "./names.ts";
import type { ModelRow, ModelStore } from "./store.ts";

/** What the parts of the service share. */
export interface ModelsDeps {
  store: ModelStore;
  clock: Clock;
  blobs: Blobs;
  weights: ModelWeights;
}

/** A model that the principal may see. @throws AppError NOT_FOUND. */
export async function getVisibleModel(
  { store }: Pick<ModelsDeps, "store">,
  principal: Principal,
  accountId: string,
  id: string,
): Promise<ModelRow> {
  const row = await store.get(accountId, id);
  if (row !== null && canSee(principal, accountId, row.public)) return row;
  throw notFound(modelTitle(accountId, id));
}

/** The same by a full or short name. */
export function getVisibleModelByName(
  context: Pick<ModelsDeps, "store">,
  principal: Principal,
  name: string,
): Promise<ModelRow> {
  const { accountId, modelId } = readModelName(name);
  return getVisibleModel(context, principal, accountId, modelId);
}

/** A model that the principal may change. @throws AppError NOT_FOUND, FORBIDDEN. */
export async function getWritableModel(
  { store }: ModelsDeps,
  principal: Principal,
  accountId: string,
  id: string,
): Promise<ModelRow> {
  const title = modelTitle(accountId, id);
  authorize(principal, accountId, "write", title);
  const row = await store.get(accountId, id);
  if (row === null) throw notFound(title);
  authorize(principal, accountId, "write", title, row.createdBy);
  return row;
}

/** A model without files. */
export function newRow(
  { clock }: Pick<ModelsDeps, "clock">,
  principal: Principal,
  accountId: string,
  id: string,
  given: ModelFields,
): ModelRow {
  const now = new Date(clock.now());
  return {
    accountId,
    id,
    uid: randomId(),
    state: "UPLOADING",
    facts: null,
    files: {},
    precisions: [],
    preparing: null,
    importedFrom: "",
    ...STATUS_OK,
    catalogDigest: null,
    createdBy: principal.userId,
    createTime: now,
    updateTime: now,
    revision: 1,
    ...given,
  };
}

type ModelStatus = Pick<ModelRow, "statusCode" | "statusMessage">;

export const STATUS_OK: ModelStatus = { statusCode: "OK", statusMessage: "" };

const STATUS_CODES: Partial<Record<ErrorCode, string>> = {
  BAD_REQUEST: "INVALID_ARGUMENT",
  NOT_FOUND: "NOT_FOUND",
  FAILED_PRECONDITION: "FAILED_PRECONDITION",
  ABORTED: "ABORTED",
  PAYLOAD_TOO_LARGE: "INVALID_ARGUMENT",
  UNAVAILABLE: "UNAVAILABLE",
};

/** What the resource says about an operation that failed. */
export function failureStatus({ code, message }: AppError): ModelStatus {
  return { statusCode: STATUS_CODES[code] ?? "INTERNAL", statusMessage: message };
}
