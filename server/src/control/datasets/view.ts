import { isDeepStrictEqual } from "node:util";
import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { mergePatch, updatePaths } from "../../lib/field-mask.ts";
import { notFound } from "../accounts/service.ts";
import { datasetName, datasetTitle, referencedId } from "./names.ts";
import { VALIDATION_LIMITS, type ValidationReport } from "./rows/validator.ts";
import { type Dataset, DatasetBody, type OriginField } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetOrigin } from "./table.ts";

const ORIGINS: readonly OriginField[] = [
  "userUploaded",
  "evalProtocol",
  "evaluationResult",
  "transformed",
  "splitted",
];
const MAX_NAME_CHARS = 300;

/** The resource as clients see it. @param email the creator's */
export function datasetView(row: DatasetRow, email: string): Dataset {
  return {
    name: datasetName(row.accountId, row.id),
    displayName: row.displayName,
    createTime: row.createTime.toISOString(),
    updateTime: row.updateTime.toISOString(),
    createdBy: email,
    state: row.state,
    status: { code: row.statusCode, message: row.statusMessage },
    format: row.format,
    exampleCount: String(row.exampleCount),
    estimatedTokenCount: String(row.estimatedTokenCount),
    averageTurnCount: row.averageTurnCount,
    externalUrl: "",
    sourceJobName: row.sourceJobName,
    ...row.origin,
  };
}

/** The columns that a client fills. */
export type DatasetFields = Pick<DatasetRow, "displayName" | "format" | "exampleCount" | "sourceJobName">;

/** @param at what the fields' names begin with in refusals @throws AppError BAD_REQUEST naming the field; NOT_FOUND. */
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

/** Where the rows come from, and the id of the dataset that they were, if any. */
export interface Provenance {
  origin: DatasetOrigin;
  sourceId: string | null;
}

/** The origin that the body gives, if any. @throws AppError BAD_REQUEST when there are several. */
export function originFieldOf(body: DatasetBody): OriginField | null {
  const [first, second] = ORIGINS.filter((field) => body[field] !== undefined);
  if (second === undefined) return first ?? null;
  throw badRequest(`dataset.${second}`, `A dataset has one origin, not both ${first} and ${second}.`);
}

/** Of the body of a new dataset. @throws AppError BAD_REQUEST naming the field; NOT_FOUND. */
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
  return referencedId(field, required(field, text), accountId);
}

function required(field: string, text: string | undefined): string {
  if (text === undefined || text === "") throw badRequest(field, `${field} is required.`);
  return text;
}

/** What may change until the rows are checked; what never may is in neither list. */
const CHANGEABLE: ReadonlySet<string> = new Set(["displayName", "format", "exampleCount"]);

/**
 * The columns as a PATCH makes them. A field that keeps its value is no change.
 * @throws AppError BAD_REQUEST naming the field; FAILED_PRECONDITION when the dataset is READY.
 */
export function applyPatch(
  row: DatasetRow,
  body: DatasetBody,
  updateMask: string | undefined,
): DatasetFields {
  const paths = updatePaths(updateMask, body, DatasetBody);
  const current = datasetView(row, "");
  const next: DatasetBody = mergePatch<DatasetBody>(current, body, paths);
  for (const field of new Set(paths.map((path) => path.split(".")[0] as keyof DatasetBody))) {
    if (field === "displayName" || isDeepStrictEqual(next[field] ?? "", current[field] ?? "")) continue;
    if (!CHANGEABLE.has(field))
      throw badRequest(field, `${field} is set when the dataset is made, and stays.`);
    if (row.state === "READY") throw immutableError(row, field);
  }
  return parseFields(next, row.accountId, "");
}

/** What makes a dataset of checked rows READY. */
export function readyColumns(report: ValidationReport): Partial<DatasetRow> {
  const { format, exampleCount, estimatedTokenCount, averageTurnCount } = report;
  return {
    ...{ state: "READY", statusCode: "OK", statusMessage: "" },
    ...{ format, exampleCount, estimatedTokenCount, averageTurnCount },
  };
}

/** @param param what would have changed */
export function immutableError(row: DatasetRow, param: string): AppError {
  const title = datasetTitle(row.accountId, row.id);
  return new AppError("FAILED_PRECONDITION", `${title} is READY: its rows don't change any more.`, { param });
}
