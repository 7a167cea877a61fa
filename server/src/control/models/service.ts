/**
 * This folder has two services. `ModelsService` is the resource: rows in the database, with uploaded files.
 * `ModelCatalog` resolves the model name of an inference request: it knows the library (the JSON files of `catalog/`),
 * the models of attached engines, aliases and the fallback model.
 */
import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { notFound, type Principal, visibility } from "../accounts/service.ts";
import {
  getVisibleModel,
  getVisibleModelByName,
  getWritableModel,
  requireWritableAccount,
} from "./access.ts";
import { catalogRows } from "./catalog/catalog-rows.ts";
import { loadCatalog } from "./catalog/load-catalog.ts";
import { applyPatch, type ModelFields, newModelRow, parseFields } from "./fields.ts";
import { blobPrefix } from "./files/declared-files.ts";
import { ModelFileWorkers } from "./files/file-workers.ts";
import { S3Imports } from "./files/s3-imports.ts";
import { downloadEndpoint, uploadEndpoint } from "./files/signed-urls.ts";
import { UploadValidator } from "./files/upload-validator.ts";
import { validateConfig } from "./files/validation.ts";
import { ModelWeights } from "./files/weights.ts";
import { getDeployableModel, getModelInfo } from "./model-info.ts";
import { modelName, modelTitle } from "./names.ts";
import type { ModelOperationDeps } from "./operation-deps.ts";
import { alreadyExists, importModel, prepareModel } from "./prepare-import.ts";
import { type ModelRow, type ModelStore, modelStore } from "./store.ts";
import type { ModelReferences, ModelsService, ModelsServiceDeps } from "./types.ts";
import { countVersions, createVersion, deployVersion } from "./versions.ts";
import { isBaseModel, ModelViews } from "./view.ts";

export { CatalogError } from "./catalog/load-catalog.ts";
export {
  createModelCatalog,
  type ModelCatalog,
  type ModelCatalogOptions,
  modelNotFound,
  type ResolvedModel,
} from "./catalog/model-catalog.ts";
export type {
  AttachedModel,
  CatalogModel,
  CatalogModelKind,
  CatalogWeights,
  ModelEntry,
} from "./catalog/schema.ts";
export { type DeployedModelRef, type Model, PRECISIONS } from "./schema.ts";
export type { DeployableModel, ModelInfo, ModelsService, ModelsServiceDeps } from "./types.ts";

/** Writes the catalog's and the attached engines' models to the table first. @throws CatalogError. */
export async function createModelsService(options: ModelsServiceDeps): Promise<ModelsService> {
  const { clock, blobs, accounts } = options;
  const catalog = new Map(loadCatalog(options.catalogDir).map((model) => [model.name, model]));
  const store = modelStore(options.database, options.tokenSecret, () => clock.now());
  await store.syncCatalog(catalogRows([...catalog.values()], options.attached, clock.now()));
  const weights = new ModelWeights({
    blobs,
    folder: options.folder,
    get: store.get,
    catalogWeights: (name) => catalog.get(name)?.weights ?? null,
    fetchCatalog: options.fetchWeights,
  });
  const { withinQuota = (_accountId, create) => create() } = options;
  const insert: ModelStore["insert"] = (row) => withinQuota(row.accountId, () => store.insert(row));
  let references: ModelReferences | null = null;
  const views = new ModelViews({
    users: options.users,
    modelRefs: async (principal, name) => references?.modelRefs(principal, name) ?? [],
  });
  const imports = new S3Imports({ blobs, server: options.s3 });
  const deps: ModelOperationDeps = {
    store: { ...store, insert },
    clock,
    blobs,
    weights,
    views,
    imports,
    accounts,
    catalog,
  };
  const uploadValidator = new UploadValidator(deps);
  const fileWorkers = new ModelFileWorkers({
    ...deps,
    uploadValidator,
    database: options.database,
    log: options.log,
  });

  return {
    async create(principal, accountId, request) {
      await requireWritableAccount(accounts, principal, accountId);
      if (request.cluster) throw badRequest("cluster", "cluster: there are no clusters of your own here.");
      checkNewId("modelId", request.modelId);
      const fields = await resolveModelNames({
        deps,
        principal,
        fields: parseFields(request.model ?? {}, "model."),
        prefix: "model.",
      });
      const row = newModelRow({
        ref: { accountId, id: request.modelId },
        createdBy: principal.userId,
        nowMs: clock.now(),
        fields,
      });
      if (!(await deps.store.insert(row))) throw alreadyExists(row);
      return views.view(principal, row);
    },
    get: async (request) => views.view(request.principal, await getVisibleModel(deps, request)),
    async list(principal, accountId, query) {
      const page = await store.list(query, accountId, visibility(principal, accountId));
      return {
        models: await views.viewList(principal, accountId, page.rows),
        nextPageToken: page.nextPageToken,
        totalSize: page.totalSize,
      };
    },
    async update(request) {
      const { principal, model, body, updateMask } = request;
      const patch = (row: ModelRow): ModelFields => applyPatch(row, body, updateMask);
      const fields = patch(await getWritableModel(deps, request));
      await resolveModelNames({ deps, principal, fields, prefix: "" });
      const row = await store.change(model, (current) => ({
        ...current,
        ...patch(current),
        updateTime: new Date(clock.now()),
      }));
      if (row === null) throw notFound(modelTitle(model));
      return views.view(principal, row);
    },
    async delete(request) {
      const title = modelTitle(request.model);
      const authorized = await getWritableModel(deps, request);
      const deleted = await store.delete(request.model, async (current) => {
        if (current.uid !== authorized.uid) throw notFound(title);
        if (current.catalogDigest !== null) {
          throw new AppError(
            "FAILED_PRECONDITION",
            `${title} comes with the platform; it can be hidden: set public to false.`,
          );
        }
        const reason = await references?.inUse(modelName(current));
        if (reason) throw new AppError("FAILED_PRECONDITION", reason);
      });
      if (deleted === null) throw notFound(title);
      // Failures are ignored: the store has scheduled a removal of the same files, which also catches late uploads.
      await blobs.deletePrefix(blobPrefix(deleted)).catch(() => {});
      await weights.remove(deleted.uid).catch(() => {});
    },
    uploadEndpoint: (request) => uploadEndpoint(deps, request),
    validateUpload: (request) => uploadValidator.validate(request),
    downloadEndpoint: (request) => downloadEndpoint(deps, request),
    prepare: (request) => prepareModel(deps, request),
    import: (request) => importModel(deps, request),
    createVersion: (request) => createVersion(deps, request),
    countVersions: (request) => countVersions(deps, request),
    deployVersion: (request) => deployVersion(deps, request),
    validateConfig,
    describe: (principal, name) => getModelInfo(deps, principal, name),
    deployable: (principal, name) => getDeployableModel(deps, principal, name),
    registerReferences(registered) {
      if (references !== null) throw new Error("The references to models are registered already.");
      references = registered;
    },
    async start() {
      await weights.sweep(clock.now());
      await fileWorkers.start();
    },
    tick: () => fileWorkers.tick(),
    async close() {
      uploadValidator.close();
      await fileWorkers.close();
      await weights.close();
    },
  };
}

/**
 * Replaces the names of other models in `fields` by full names.
 * @param options.prefix goes before field names in errors: `model.` or nothing
 * @throws AppError NOT_FOUND; BAD_REQUEST naming the field of a model that is not a base model.
 */
async function resolveModelNames(options: {
  deps: ModelOperationDeps;
  principal: Principal;
  fields: ModelFields;
  prefix: string;
}): Promise<ModelFields> {
  const { deps, principal, fields, prefix } = options;
  const spec = { ...fields.spec };
  const resolve = async (field: string, name: string): Promise<string> => {
    const row = await getVisibleModelByName(deps, principal, name);
    if (!isBaseModel(row)) throw badRequest(prefix + field, `${prefix}${field} must be a base model.`);
    return modelName(row);
  };
  if (spec.peftDetails?.baseModel) {
    const baseModel = await resolve("peftDetails.baseModel", spec.peftDetails.baseModel);
    spec.peftDetails = { ...spec.peftDetails, baseModel };
  }
  if (spec.defaultDraftModel) {
    spec.defaultDraftModel = await resolve("defaultDraftModel", spec.defaultDraftModel);
  }
  return { ...fields, spec };
}
