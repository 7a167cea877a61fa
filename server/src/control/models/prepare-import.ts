import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { LIBRARY_ACCOUNT, notFound } from "../accounts/service.ts";
import { getVisibleModelByName, getWritableModel, requireWritableAccount } from "./access.ts";
import { newModelRow } from "./fields.ts";
import { weightType } from "./files/precisions.ts";
import { importOperation, parseS3ImportSource } from "./files/s3-imports.ts";
import { requireUploading } from "./files/signed-urls.ts";
import { type ModelRef, modelName, modelTitle } from "./names.ts";
import type { ModelOperationDeps } from "./operation-deps.ts";
import type { ImportModelRequest, Operation, PrepareModelRequest } from "./schema.ts";
import { STATUS_OK } from "./status.ts";
import type { ModelRow } from "./store.ts";
import type { ModelRequest } from "./types.ts";
import { isBaseModel } from "./view.ts";

/** Starts the conversion of an upload to a precision. The model is PREPARING until the conversion ends. */
export async function prepareModel(
  deps: ModelOperationDeps,
  request: ModelRequest & { body: PrepareModelRequest },
): Promise<void> {
  const { model } = request;
  const requested = request.body.precision ?? "FP8";
  const precision = requested === "PRECISION_UNSPECIFIED" ? "FP8" : requested;
  const authorized = await getWritableModel(deps, request);
  // Throws for a precision that no conversion supports.
  weightType(precision);
  if (authorized.precisions.includes(precision)) return;
  const fail = (why: string): AppError => new AppError("FAILED_PRECONDITION", `${modelTitle(model)} ${why}`);
  const startPreparing = (row: ModelRow): ModelRow => {
    if (row.state !== "READY") throw fail(`is ${row.state}: only a READY model can be prepared.`);
    if (row.facts?.format !== "huggingface") {
      throw fail(
        "has one precision: only uploads of base models in the Hugging Face format can be prepared for others.",
      );
    }
    const updateTime = new Date(deps.clock.now());
    return { ...row, ...STATUS_OK, state: "PREPARING", preparing: precision, updateTime };
  };
  const changed = await deps.store.change(model, startPreparing, "prepare");
  if (changed === null) throw notFound(modelTitle(model));
}

/** Imports files from S3 into an UPLOADING model, or copies a library model into the account as a new model. */
export async function importModel(
  deps: ModelOperationDeps,
  request: ModelRequest & { body: ImportModelRequest },
): Promise<Operation> {
  const { principal, model, body } = request;
  const { imports } = deps;
  if (body.azureBlobSource !== undefined) {
    throw badRequest("azureBlobSource", "azureBlobSource: import from S3 or upload the files.");
  }
  if (body.awsS3Source === undefined) {
    const sourceName = body.sourceModel || modelName({ accountId: LIBRARY_ACCOUNT, id: model.id });
    await requireWritableAccount(deps.accounts, principal, model.accountId);
    const row = await copyCatalogModel(deps, request, sourceName);
    return importOperation(row, true, await deps.views.view(principal, row));
  }
  if (body.sourceModel) throw badRequest("sourceModel", "sourceModel: there is another source already.");
  const source = parseS3ImportSource(body.awsS3Source);
  const authorized = await getWritableModel(deps, request);
  const startImport = (row: ModelRow): ModelRow => {
    requireUploading(row);
    if (imports.sourceOf(row.uid) !== undefined) {
      throw new AppError("ABORTED", `${modelTitle(model)} is being imported already.`);
    }
    imports.add(row.uid, source);
    return { ...row, ...STATUS_OK, updateTime: new Date(deps.clock.now()) };
  };
  try {
    const row = await deps.store.change(model, startImport, "import");
    if (row === null) throw notFound(modelTitle(model));
    return importOperation(row, false);
  } catch (error) {
    // The transaction may fail after `startImport` added the source; a source left behind would block later imports.
    if (imports.sourceOf(authorized.uid) === source) imports.forget(authorized.uid);
    throw error;
  }
}

/** Creates a model of the account that runs with the weights of a library model. */
async function copyCatalogModel(
  deps: ModelOperationDeps,
  { principal, model }: ModelRequest,
  sourceName: string,
): Promise<ModelRow> {
  checkNewId("modelId", model.id);
  const source = await getVisibleModelByName(deps, principal, sourceName);
  if (source.facts?.format !== "catalog" || !isBaseModel(source) || source.importedFrom !== "") {
    throw badRequest("sourceModel", "sourceModel must be a base model of the library.");
  }
  if (!deps.weights.has(source)) {
    throw new AppError(
      "FAILED_PRECONDITION",
      `${modelTitle(source)} is in the library without weights: it can't be run here.`,
    );
  }
  const { displayName, kind, spec, facts, precisions } = source;
  const row: ModelRow = {
    ...newModelRow({
      ref: model,
      createdBy: principal.userId,
      nowMs: deps.clock.now(),
      fields: { displayName, kind, spec, public: false },
    }),
    state: "READY",
    facts: { ...facts, serverless: false },
    precisions,
    importedFrom: modelName(source),
  };
  if (!(await deps.store.insert(row))) throw alreadyExists(row);
  return row;
}

export function alreadyExists(ref: ModelRef): AppError {
  return new AppError("ALREADY_EXISTS", `${modelTitle(ref)} already exists.`, { param: "modelId" });
}
