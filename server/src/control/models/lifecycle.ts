import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { fullModelName } from "../../lib/resource-names.ts";
import { LIBRARY_ACCOUNT, notFound, type Principal } from "../accounts/service.ts";
import { getVisibleModelByName, getWritableModel, type ModelsDeps, newRow, STATUS_OK } from "./access.ts";
import { alreadyExists, type ModelCrud } from "./crud.ts";
import { importOperation, parseS3ImportSource, type S3Imports } from "./files/imports.ts";
import { weightType } from "./files/precisions.ts";
import { requireUploading } from "./files/uploads.ts";
import { modelTitle } from "./names.ts";
import type { ImportModelRequest, Operation, Precision } from "./schema.ts";
import type { ModelRow } from "./store.ts";
import { isBaseModel } from "./view.ts";

/** Begins to make the weights for a precision; the state is PREPARING until they are there. */
export async function prepareModel(
  context: ModelsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  wanted: Precision = "FP8",
): Promise<void> {
  const precision = wanted === "PRECISION_UNSPECIFIED" ? "FP8" : wanted;
  const seen = await getWritableModel(context, principal, accountId, id);
  weightType(precision);
  if (seen.precisions.includes(precision)) return;
  const begin = (row: ModelRow): ModelRow => {
    const fail = (why: string): AppError =>
      new AppError("FAILED_PRECONDITION", `${modelTitle(accountId, id)} ${why}`);
    if (row.state !== "READY") throw fail(`is ${row.state}: only a READY model can be prepared.`);
    if (row.facts?.format !== "huggingface") {
      throw fail(
        "has one precision: only uploads of base models in Hugging Face's form can be prepared for others.",
      );
    }
    const updateTime = new Date(context.clock.now());
    return { ...row, ...STATUS_OK, state: "PREPARING", preparing: precision, updateTime };
  };
  if ((await context.store.change(accountId, id, begin, "prepare")) === null)
    throw notFound(modelTitle(accountId, id));
}

/** From a bucket into a model that waits for its files, or from the library as a new model of the account. */
export async function importModel(
  context: ModelsDeps,
  imports: S3Imports,
  resource: ModelCrud,
  principal: Principal,
  accountId: string,
  id: string,
  request: ImportModelRequest,
): Promise<Operation> {
  if (request.azureBlobSource !== undefined) {
    throw badRequest("azureBlobSource", "azureBlobSource: import from S3 or upload the files.");
  }
  if (request.awsS3Source === undefined) {
    const source = request.sourceModel || fullModelName({ accountId: LIBRARY_ACCOUNT, modelId: id });
    await resource.requireAccount(principal, accountId);
    const row = await copyCatalogModel(context, principal, accountId, id, source);
    return importOperation(row, true, await resource.view(principal, row));
  }
  if (request.sourceModel) throw badRequest("sourceModel", "sourceModel: there is another source already.");
  const wish = parseS3ImportSource(request.awsS3Source);
  const seen = await getWritableModel(context, principal, accountId, id);
  const begin = (row: ModelRow): ModelRow => {
    requireUploading(row);
    if (imports.sourceOf(row.uid) !== undefined)
      throw new AppError("ABORTED", `${modelTitle(accountId, id)} is being imported already.`);
    imports.add(row.uid, wish);
    return { ...row, ...STATUS_OK, updateTime: new Date(context.clock.now()) };
  };
  try {
    const row = await context.store.change(accountId, id, begin, "import");
    if (row === null) throw notFound(modelTitle(accountId, id));
    return importOperation(row, false);
  } catch (error) {
    // Also when it was added and the change then failed.
    if (imports.sourceOf(seen.uid) === wish) imports.forget(seen.uid);
    throw error;
  }
}

/** A model of the account that runs with the library's weights. */
async function copyCatalogModel(
  context: ModelsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  sourceName: string,
): Promise<ModelRow> {
  checkNewId("modelId", id);
  const source = await getVisibleModelByName(context, principal, sourceName);
  if (source.facts?.format !== "catalog" || !isBaseModel(source) || source.importedFrom !== "") {
    throw badRequest("sourceModel", "sourceModel must be a base model of the library.");
  }
  const name = fullModelName({ accountId: source.accountId, modelId: source.id });
  if (!context.weights.has(source)) {
    throw new AppError(
      "FAILED_PRECONDITION",
      `Model ${name} is in the library without weights: it can't be run here.`,
    );
  }
  const { displayName, kind, spec, facts, precisions } = source;
  const row: ModelRow = {
    ...newRow(context, principal, accountId, id, { displayName, kind, spec, public: false }),
    state: "READY",
    facts: { ...facts, serverless: false },
    precisions,
    importedFrom: name,
  };
  if (!(await context.store.insert(row))) throw alreadyExists(accountId, id);
  return row;
}
