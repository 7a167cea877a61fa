import type { Clock } from "../../lib/clock.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import type { S3Server } from "../../platform/blobs/s3-server.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import type { Principal } from "../accounts/service.ts";
import type { ModelsDeps } from "./access.ts";
import { catalogRows } from "./catalog/catalog-rows.ts";
import { loadCatalog } from "./catalog/load-catalog.ts";
import type { AttachedModel, CatalogModel, CatalogWeights } from "./catalog/schema.ts";
import { ModelCrud, type ModelReferences, type RelatedResources } from "./crud.ts";
import { ModelFileWorkers } from "./files/file-workers.ts";
import { S3Imports } from "./files/imports.ts";
import { downloadEndpoint, UploadValidator, uploadEndpoint } from "./files/uploads.ts";
import { validateConfig } from "./files/validation.ts";
import { ModelWeights, type OnPhase } from "./files/weights.ts";
import { importModel, prepareModel } from "./lifecycle.ts";
import { type DeployableModel, getDeployableModel, getModelInfo, type ModelInfo } from "./model-info.ts";
import type {
  CreateModelRequest,
  DeployVersionRequest,
  DownloadEndpoint,
  GetUploadEndpointRequest,
  ImportModelRequest,
  Model,
  ModelBody,
  ModelVersion,
  Operation,
  PrepareModelRequest,
  ValidateModelConfigRequest,
  ValidateUploadQuery,
} from "./schema.ts";
import { type ModelStore, modelStore } from "./store.ts";
import { ModelVersions } from "./versions.ts";

export { CatalogError } from "./catalog/load-catalog.ts";
export {
  createModelCatalog,
  type ModelCatalog,
  type ModelCatalogOptions,
  type ResolvedModel,
} from "./catalog/model-catalog.ts";
export type {
  AttachedModel,
  CatalogModel,
  CatalogModelKind,
  CatalogWeights,
  ModelEntry,
} from "./catalog/schema.ts";
export type { DeployableModel, ModelInfo } from "./model-info.ts";
export { type DeployedModelRef, type Model, PRECISIONS } from "./schema.ts";

/** All but `list` throw NOT_FOUND for what is not there or may not be seen; what writes, FORBIDDEN by role. */
export interface ModelsService {
  /** An empty model in the state UPLOADING. @throws AppError BAD_REQUEST naming the field, ALREADY_EXISTS. */
  create(principal: Principal, accountId: string, request: CreateModelRequest): Promise<Model>;
  get(principal: Principal, accountId: string, id: string): Promise<Model>;
  /** The account's models; of another account the public ones. */
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ models: Model[]; nextPageToken: string; totalSize: number }>;
  /** @throws AppError BAD_REQUEST naming the field. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    body: ModelBody,
    updateMask: string | undefined,
  ): Promise<Model>;
  /** @throws AppError FAILED_PRECONDITION while it is deployed. */
  delete(principal: Principal, accountId: string, id: string): Promise<void>;
  /**
   * URLs that take files of these sizes.
   * @param origin what they begin with where they are ours
   * @throws AppError BAD_REQUEST, FAILED_PRECONDITION unless UPLOADING.
   */
  uploadEndpoint(
    principal: Principal,
    accountId: string,
    id: string,
    request: GetUploadEndpointRequest,
    origin: string,
  ): Promise<object>;
  /**
   * Checks the uploaded files, fills in what they say and the client didn't, and makes the model READY. Gives warnings.
   * @throws AppError BAD_REQUEST naming the file, FAILED_PRECONDITION while files are missing, ABORTED when the model
   * changes meanwhile.
   */
  validateUpload(
    principal: Principal,
    accountId: string,
    id: string,
    query: ValidateUploadQuery,
  ): Promise<string[]>;
  /** URLs that give the files. @throws AppError FORBIDDEN for another account's, FAILED_PRECONDITION without files. */
  downloadEndpoint(
    principal: Principal,
    accountId: string,
    id: string,
    origin: string,
  ): Promise<DownloadEndpoint>;
  /** Begins to make weights for a precision. @throws AppError BAD_REQUEST, FAILED_PRECONDITION. */
  prepare(principal: Principal, accountId: string, id: string, request: PrepareModelRequest): Promise<void>;
  /** @throws AppError BAD_REQUEST, FAILED_PRECONDITION, ABORTED while another import runs, ALREADY_EXISTS. */
  import(
    principal: Principal,
    accountId: string,
    id: string,
    request: ImportModelRequest,
  ): Promise<Operation>;
  /** How the model looks now, to be kept. @throws AppError BAD_REQUEST, ALREADY_EXISTS, FAILED_PRECONDITION. */
  createVersion(
    principal: Principal,
    accountId: string,
    id: string,
    versionId: string | undefined,
  ): Promise<ModelVersion>;
  countVersions(principal: Principal, accountId: string, id: string): Promise<number>;
  /** @throws AppError NOT_FOUND, FAILED_PRECONDITION unless the model is deployed there. */
  deployVersion(
    principal: Principal,
    accountId: string,
    id: string,
    versionId: string,
    request: DeployVersionRequest,
  ): Promise<Operation>;
  /** Whether a model with this configuration could be run. @throws AppError BAD_REQUEST. */
  validateConfig(request: ValidateModelConfigRequest): Promise<void>;

  /** Any model that the principal may see, by full or short name. */
  describe(principal: Principal, name: string): Promise<ModelInfo>;
  /** The same for one that can be run. @throws AppError FAILED_PRECONDITION for what can't be, or not yet. */
  deployable(principal: Principal, name: string): Promise<DeployableModel>;

  /** Connects what refers to models; to be called once. Without it no model is deployed or in use. */
  registerReferences(references: ModelReferences): void;
  /** Takes up the work on models' files. */
  start(): Promise<void>;
  /** Works off what is due now; for tests. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

export interface ModelsServiceDeps extends RelatedResources {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: Log;
  blobs: Blobs;
  /** Of page tokens. */
  tokenSecret: Buffer;
  catalogDir: string;
  attached: readonly AttachedModel[];
  /** Absolute: weights in the engine's form, made from uploads. */
  folder: string;
  /** Brings catalog weights to this host. */
  fetchWeights(weights: CatalogWeights, signal: AbortSignal, onPhase: OnPhase): Promise<string>;
  /** Where imports come from. */
  s3: S3Server;
  /** Makes a model of the account, unless it would then have more than it may. Absent: as many as it likes. */
  withinQuota?: <T>(accountId: string, make: () => Promise<T>) => Promise<T>;
}

/** Brings the table's part that shows the library up to date. @throws CatalogError. */
export async function createModelsService(deps: ModelsServiceDeps): Promise<ModelsService> {
  const { clock, blobs, attached } = deps;
  const catalog = loadCatalog(deps.catalogDir);
  const byName = new Map(catalog.map((model) => [model.name, model]));
  const store = modelStore(deps.database, deps.tokenSecret, () => clock.now());
  await store.syncCatalog(catalogRows(catalog, attached, clock.now()));
  const weights = new ModelWeights({
    blobs,
    folder: deps.folder,
    get: store.get,
    catalogWeights: (name) => byName.get(name)?.weights ?? null,
    fetchCatalog: deps.fetchWeights,
  });
  const { withinQuota = (_accountId, make) => make() } = deps;
  const insert: ModelStore["insert"] = (row, work) =>
    withinQuota(row.accountId, () => store.insert(row, work));
  const context: ModelsDeps = { store: { ...store, insert }, clock, blobs, weights };
  const resource = new ModelCrud(context, deps);
  const versions = new ModelVersions(context, resource);
  const imports = new S3Imports({ blobs, server: deps.s3 });
  const checks = new UploadValidator(context);
  const work = new ModelFileWorkers({
    modelsDeps: context,
    imports,
    uploadValidator: checks,
    database: deps.database,
    log: deps.log,
  });
  const catalogOf = (name: string): CatalogModel | undefined => byName.get(name);

  return {
    create: (...request) => resource.create(...request),
    get: (...request) => resource.get(...request),
    list: (...request) => resource.list(...request),
    update: (...request) => resource.update(...request),
    delete: (...request) => resource.delete(...request),
    uploadEndpoint: (...request) => uploadEndpoint(context, ...request),
    validateUpload: (...request) => checks.validate(...request),
    downloadEndpoint: (...request) => downloadEndpoint(context, ...request),
    prepare: (principal, accountId, id, { precision }) =>
      prepareModel(context, principal, accountId, id, precision),
    import: (...request) => importModel(context, imports, resource, ...request),
    createVersion: (...request) => versions.create(...request),
    countVersions: (...request) => versions.count(...request),
    deployVersion: (...request) => versions.deploy(...request),
    validateConfig,
    describe: (principal, name) => getModelInfo(context, catalogOf, principal, name),
    deployable: (principal, name) => getDeployableModel(context, catalogOf, principal, name),
    registerReferences: (references) => resource.registerReferences(references),
    async start() {
      await weights.sweep(clock.now());
      await work.start();
    },
    tick: () => work.tick(),
    async close() {
      checks.close();
      await work.close();
      await weights.close();
    },
  };
}
