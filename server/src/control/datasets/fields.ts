import { isDeepStrictEqual } from "node:util";
import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { notFound } from "../accounts/service.ts";
import { immutableError } from "./access.ts";
import { newFileId } from "./files.ts";
import { type DatasetRef, parseDatasetReference } from "./names.ts";
import { VALIDATION_LIMITS, type ValidationReport } from "./rows/validator.ts";
import { DatasetBody, type OriginField } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetOrigin } from "./table.ts";
import { datasetView } from "./view.ts";

const ORIGINS: readonly OriginField[] = [
  "userUploaded",
  "evalProtocol",
  "evaluationResult",
  "transformed",
  "splitted",
];
const MAX_NAME_CHARS = 300;

/** The columns that clients set. */
export type DatasetFields = Pick<DatasetRow, "displayName" | "format" | "exampleCount" | "sourceJobName">;

/** The row of a new dataset without files. */
export function newDatasetRow(options: {
  ref: DatasetRef;
  /** Id of the user. */
  createdBy: string;
  nowMs: number;
  fields: DatasetFields;
  origin: DatasetOrigin;
  /** Uid of the dataset that this one is derived from; null for none. */
  sourceUid: string | null;
}): DatasetRow {
  const now = new Date(options.nowMs);
  return {
    accountId: options.ref.accountId,
    id: options.ref.id,
    uid: uuidv7Hex(options.nowMs),
    state: "UPLOADING",
    ...options.fields,
    estimatedTokenCount: 0,
    averageTurnCount: 0,
    origin: options.origin,
    sourceUid: options.sourceUid,
    statusCode: "OK",
    statusMessage: "",
    checkId: null,
    files: {},
    createdBy: options.createdBy,
    createTime: now,
    updateTime: now,
    revision: 0,
  };
}

/**
 * @param at prefix of field names in errors: `dataset.` or nothing
 * @throws AppError BAD_REQUEST naming the field; NOT_FOUND for a job of another account.
 */
export function parseFields(body: DatasetBody, accountId: string, at: string): DatasetFields {
  const { displayName = "", format = "FORMAT_UNSPECIFIED", exampleCount = "0", sourceJobName = "" } = body;
  checkDisplayName(`${at}displayName`, displayName);
  if (Number(exampleCount) > VALIDATION_LIMITS.maxExamples) {
    throw badRequest(`${at}exampleCount`, `A dataset has at most ${VALIDATION_LIMITS.maxExamples} examples.`);
  }
  if (body.externalUrl) {
    throw badRequest(
      `${at}externalUrl`,
      `${at}externalUrl: data elsewhere is not read; upload the files instead.`,
    );
  }
  checkJobName(`${at}sourceJobName`, sourceJobName, accountId);
  return { displayName, format, exampleCount: Number(exampleCount), sourceJobName };
}

function checkJobName(field: string, name: string, accountId: string): void {
  if (name === "") return;
  checkText(field, name, MAX_NAME_CHARS);
  const [, account] = /^accounts\/([A-Za-z0-9-]+)\/[A-Za-z]+\/[A-Za-z0-9-]+$/.exec(name) ?? [];
  if (account === undefined) throw badRequest(field, `${field} must be the full name of a job.`);
  if (account !== accountId) throw notFound(`Job ${name}`);
}

export interface Provenance {
  origin: DatasetOrigin;
  /** Id of the dataset that the rows come from; null when they come from elsewhere. */
  sourceId: string | null;
}

/** The origin field that the body sets; null for none. @throws AppError BAD_REQUEST when it sets several. */
export function originFieldOf(body: DatasetBody): OriginField | null {
  const [first, second] = ORIGINS.filter((field) => body[field] !== undefined);
  if (second === undefined) return first ?? null;
  throw badRequest(`dataset.${second}`, `A dataset has one origin, not both ${first} and ${second}.`);
}

/**
 * The origin of a new dataset.
 * @throws AppError BAD_REQUEST naming the field; NOT_FOUND for a source of another account.
 */
export function parseOrigin(body: DatasetBody, accountId: string): Provenance {
  originFieldOf(body);
  const { evaluationResult, transformed, splitted } = body;
  if (evaluationResult !== undefined) {
    const field = `dataset.evaluationResult.evaluationJobId`;
    const evaluationJobId = required(field, evaluationResult.evaluationJobId);
    checkText(field, evaluationJobId, MAX_NAME_CHARS);
    return { origin: { evaluationResult: { evaluationJobId } }, sourceId: null };
  }
  if (transformed !== undefined) {
    const { filter = "", originalFormat = "FORMAT_UNSPECIFIED" } = transformed;
    const sourceId = parseSourceId(
      `dataset.transformed.sourceDatasetId`,
      transformed.sourceDatasetId,
      accountId,
    );
    checkText(`dataset.transformed.filter`, filter, 4_096);
    return { origin: { transformed: { sourceDatasetId: sourceId, filter, originalFormat } }, sourceId };
  }
  if (splitted !== undefined) {
    const sourceId = parseSourceId(`dataset.splitted.sourceDatasetId`, splitted.sourceDatasetId, accountId);
    return { origin: { splitted: { sourceDatasetId: sourceId } }, sourceId };
  }
  return {
    origin: body.evalProtocol === undefined ? { userUploaded: {} } : { evalProtocol: {} },
    sourceId: null,
  };
}

function parseSourceId(field: string, text: string | undefined, accountId: string): string {
  return parseDatasetReference(field, required(field, text), accountId);
}

function required(field: string, text: string | undefined): string {
  if (text === undefined || text === "") throw badRequest(field, `${field} is required.`);
  return text;
}

/** Fields that an update can change until the dataset is READY. `displayName` can change afterwards, too. */
const CHANGEABLE: ReadonlySet<string> = new Set(["displayName", "format", "exampleCount"]);

/**
 * The columns after a PATCH. A client may send back a whole resource, so a field with its current value is always
 * allowed.
 * @throws AppError BAD_REQUEST naming the field; FAILED_PRECONDITION when the dataset is READY.
 */
export function applyPatch(
  row: DatasetRow,
  body: DatasetBody,
  updateMask: string | undefined,
): DatasetFields {
  const paths = updatePaths(updateMask, body, DatasetBody);
  const current = datasetView(row, "");
  const patched: DatasetBody = mergePatch<DatasetBody>(current, body, paths);
  for (const field of new Set(paths.map((path) => path.split(".")[0] as keyof DatasetBody))) {
    if (field === "displayName" || isDeepStrictEqual(patched[field] ?? "", current[field] ?? "")) continue;
    if (!CHANGEABLE.has(field))
      throw badRequest(field, `${field} can only be set when the dataset is created.`);
    if (row.state === "READY") throw immutableError(row, field);
  }
  return parseFields(patched, row.accountId, "");
}

/** The columns that begin a check of the rows, or begin a running check anew. */
export function checkingColumns(): Pick<DatasetRow, "checkId" | "statusCode" | "statusMessage"> {
  return { checkId: newFileId(), statusCode: "OK", statusMessage: "The rows are being checked." };
}

/** The columns that make a dataset READY after its rows passed the check. */
export function readyColumns(report: ValidationReport): Partial<DatasetRow> {
  const { format, exampleCount, estimatedTokenCount, averageTurnCount } = report;
  return {
    state: "READY",
    statusCode: "OK",
    statusMessage: "",
    format,
    exampleCount,
    estimatedTokenCount,
    averageTurnCount,
  };
}
