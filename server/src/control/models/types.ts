import type { Clock } from "../../lib/clock.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import type { S3Server } from "../../platform/blobs/s3-server.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import type { Principal } from "../accounts/service.ts";
import type { AttachedModel, CatalogWeights } from "./catalog/schema.ts";
import type { OnPhase } from "./files/weights.ts";
import type { ModelRef } from "./names.ts";
import type {
  CreateModelRequest,
  DeployedModelRef,
  DeployVersionRequest,
  DownloadEndpoint,
  GetUploadEndpointRequest,
  ImportModelRequest,
  Model,
  ModelBody,
  ModelVersion,
  Operation,
  Precision,
  PrepareModelRequest,
  ValidateModelConfigRequest,
  ValidateUploadQuery,
} from "./schema.ts";
import type { ModelRow } from "./store.ts";

/** A request about one model, and the principal that makes it. */
export interface ModelRequest {
  principal: Principal;
  model: ModelRef;
}

/**
 * Models as a resource: the rows that clients create, list, upload files to and delete. All methods but `create`,
 * `list` and `validateConfig` throw AppError NOT_FOUND for a model that does not exist or that the principal may not
 * see. Methods that write throw FORBIDDEN when the principal's role does not allow it.
 */
export interface ModelsService {
  /**
   * Creates a model without files, in the state UPLOADING.
   * @throws AppError BAD_REQUEST naming the field, ALREADY_EXISTS.
   */
  create(principal: Principal, accountId: string, request: CreateModelRequest): Promise<Model>;
  get(request: ModelRequest): Promise<Model>;
  /** The account's models; only the public ones when the account is not the principal's. */
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ models: Model[]; nextPageToken: string; totalSize: number }>;
  /** @throws AppError BAD_REQUEST naming the field. */
  update(request: ModelRequest & { body: ModelBody; updateMask: string | undefined }): Promise<Model>;
  /** @throws AppError FAILED_PRECONDITION while the model is deployed. */
  delete(request: ModelRequest): Promise<void>;
  /**
   * Signed URLs that accept files of the given sizes.
   * @param request.origin start of the URLs when the platform itself stores the files
   * @throws AppError BAD_REQUEST; FAILED_PRECONDITION unless the model is UPLOADING.
   */
  uploadEndpoint(request: ModelRequest & { body: GetUploadEndpointRequest; origin: string }): Promise<object>;
  /**
   * Checks the uploaded files, fills in the fields that the client left open from them, and makes the model READY.
   * @returns warnings
   * @throws AppError BAD_REQUEST naming the file; FAILED_PRECONDITION while files are missing; ABORTED when the model
   * changes during the check.
   */
  validateUpload(request: ModelRequest & { query: ValidateUploadQuery }): Promise<string[]>;
  /**
   * Signed URLs that serve the model's files.
   * @throws AppError FORBIDDEN for a model of another account; FAILED_PRECONDITION when the model has no checked files.
   */
  downloadEndpoint(request: ModelRequest & { origin: string }): Promise<DownloadEndpoint>;
  /** Starts the conversion to a precision. @throws AppError BAD_REQUEST, FAILED_PRECONDITION. */
  prepare(request: ModelRequest & { body: PrepareModelRequest }): Promise<void>;
  /** @throws AppError BAD_REQUEST; FAILED_PRECONDITION; ABORTED while another import runs; ALREADY_EXISTS. */
  import(request: ModelRequest & { body: ImportModelRequest }): Promise<Operation>;
  /**
   * Stores how the model looks now.
   * @param request.versionId default: a random id
   * @throws AppError BAD_REQUEST; ALREADY_EXISTS; FAILED_PRECONDITION while the model is UPLOADING or when it has 1,000
   * versions.
   */
  createVersion(request: ModelRequest & { versionId: string | undefined }): Promise<ModelVersion>;
  countVersions(request: ModelRequest): Promise<number>;
  /** @throws AppError FAILED_PRECONDITION unless the model is deployed on the deployment of the body. */
  deployVersion(
    request: ModelRequest & { versionId: string; body: DeployVersionRequest },
  ): Promise<Operation>;
  /** @throws AppError BAD_REQUEST when a model with this configuration could not run here. */
  validateConfig(request: ValidateModelConfigRequest): Promise<void>;

  /** Facts about a model, for other parts of the platform. @param name full or short */
  describe(principal: Principal, name: string): Promise<ModelInfo>;
  /** Like `describe`. @throws AppError FAILED_PRECONDITION when the model can't run here, or can't yet. */
  deployable(principal: Principal, name: string): Promise<DeployableModel>;

  /**
   * Connects the resources that refer to models. Until then no model is deployed or in use.
   * @throws Error at a second call.
   */
  registerReferences(references: ModelReferences): void;
  /** Starts the background work on model files. */
  start(): Promise<void>;
  /** Does the background work that is due now; for tests. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

/** Parts of other resources that models need. */
export interface RelatedResources {
  accounts: { exists(accountId: string): Promise<boolean> };
  users: { emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>> };
}

/** The resources that refer to models. They are created after the models and register themselves. */
export interface ModelReferences {
  /** The deployments of a model that the principal may see. */
  modelRefs(principal: Principal, name: string): Promise<readonly DeployedModelRef[]>;
  /** Why a model can't be deleted, as a sentence for the client; null when it can. */
  inUse(name: string): Promise<string | null>;
}

export interface ModelsServiceDeps extends RelatedResources {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: Log;
  blobs: Blobs;
  /** Signs page tokens. */
  tokenSecret: Buffer;
  catalogDir: string;
  attached: readonly AttachedModel[];
  /** Absolute path of the folder for weights that were converted to the engine's format. */
  folder: string;
  /** Downloads catalog weights to this host. */
  fetchWeights(weights: CatalogWeights, signal: AbortSignal, onPhase: OnPhase): Promise<string>;
  /** The S3 server that imports read from. */
  s3: S3Server;
  /** Calls `create` unless the account has reached its quota of models. Absent: there is no quota. */
  withinQuota?: <T>(accountId: string, create: () => Promise<T>) => Promise<T>;
}

/** Facts about a model that other parts of the platform use. */
export interface ModelInfo {
  /** Full name. */
  name: string;
  /** Changes when the files change, also when a new model takes the name of a deleted one. */
  uid: string;
  kind: "base" | "addon" | "other";
  /** Full name of an addon's base model; null for other kinds. */
  baseModel: string | null;
  displayName: string;
  isPublic: boolean;
  state: ModelRow["state"];
  /** LoRA addons can be loaded on the model. */
  supportsLora: boolean;
  /** Most tokens of prompt and output together; null when unknown. */
  contextLength: number | null;
  /** Name of the architecture; empty when unknown. */
  modelType: string;
  parameterCount: bigint | null;
  /** The precisions that a deployment of the model can choose. */
  precisions: readonly Precision[];
  defaultDraftModel: string | null;
  defaultDraftTokenCount: number | null;
  supportsChat: boolean;
  supportsImageInput: boolean;
  supportsTools: boolean;
  /** A Jinja template; null: use the one in the files, if there is one. */
  chatTemplate: string | null;
  /** RFC 3339. */
  createTime: string;
  /** The kind of engine that runs the model. */
  engine: string;
}

export interface DeployableModel extends ModelInfo {
  kind: "base" | "addon";
  /**
   * Brings the model's weights to this host as a GGUF file, converted if necessary, and returns the path. The file is
   * kept for later calls.
   * @param options.precision one of `precisions`; default: the precision the model was uploaded in
   * @param options.asUploaded fetch the upload itself instead: a folder in the Hugging Face format, or a GGUF file
   * @param options.onPhase is called with a description of each step, worded for clients
   * @throws AppError with a public message; the signal's reason
   */
  fetch(options: {
    precision?: string;
    asUploaded?: boolean;
    signal: AbortSignal;
    onPhase(message: string): void;
  }): Promise<string>;
}
