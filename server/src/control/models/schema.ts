import { type Static, Type } from "typebox";
import { Status } from "../accounts/service.ts";

export const MODEL_STATES = ["UPLOADING", "READY", "PREPARING"] as const;
export const MODEL_KINDS = [
  "KIND_UNSPECIFIED",
  "HF_BASE_MODEL",
  "HF_PEFT_ADDON",
  "HF_TEFT_ADDON",
  "FLUMINA_BASE_MODEL",
  "FLUMINA_ADDON",
  "DRAFT_ADDON",
  "FIRE_AGENT",
  "LIVE_MERGE",
  "CUSTOM_MODEL",
  "EMBEDDING_MODEL",
  "SNAPSHOT_MODEL",
] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];
export const CHECKPOINT_FORMATS = [
  "CHECKPOINT_FORMAT_UNSPECIFIED",
  "NATIVE",
  "HUGGINGFACE",
  "UNINITIALIZED",
] as const;
export const PRECISIONS = [
  "PRECISION_UNSPECIFIED",
  "FP16",
  "FP8",
  "FP8_MM",
  "FP8_AR",
  "FP8_MM_KV_ATTN",
  "FP8_KV",
  "FP8_MM_V2",
  "FP8_V2",
  "FP8_MM_KV_ATTN_V2",
  "NF4",
  "FP4",
  "BF16",
  "FP4_BLOCKSCALED_MM",
  "FP4_MX_MOE",
] as const;
export type Precision = (typeof PRECISIONS)[number];

const readOnly = { readOnly: true } as const;
const int64 = { format: "int64", pattern: "^\\d{1,19}$" } as const;
const text = Type.Optional(Type.String());
const flag = Type.Optional(Type.Boolean());
const count = Type.Optional(Type.Integer());
const outputText = Type.Optional(Type.String(readOnly));
const outputFlag = Type.Optional(Type.Boolean(readOnly));
const outputPrecisions = Type.Optional(Type.Array(Type.Enum(PRECISIONS), readOnly));

export const BaseModelDetails = Type.Object({
  worldSize: count,
  checkpointFormat: Type.Optional(Type.Enum(CHECKPOINT_FORMATS)),
  huggingfaceFiles: Type.Optional(Type.Array(Type.String(), { maxItems: 1_000 })),
  parameterCount: Type.Optional(Type.String(int64)),
  moe: flag,
  tunable: flag,
  modelType: text,
  supportsFireattention: flag,
  defaultPrecision: Type.Optional(Type.Enum(PRECISIONS, readOnly)),
  supportsMtp: flag,
});
export type BaseModelDetails = Static<typeof BaseModelDetails>;

export const PeftDetails = Type.Object({
  baseModel: text,
  r: count,
  targetModules: Type.Optional(Type.Array(Type.String(), { maxItems: 100 })),
  baseModelType: outputText,
  mergeAddonModelName: text,
});
export type PeftDetails = Static<typeof PeftDetails>;

export const ConversationConfig = Type.Object({ style: text, system: text, template: text });
export type ConversationConfig = Static<typeof ConversationConfig>;

const CalendarDate = Type.Object({
  year: Type.Optional(Type.Integer({ minimum: 0, maximum: 9999 })),
  month: Type.Optional(Type.Integer({ minimum: 0, maximum: 12 })),
  day: Type.Optional(Type.Integer({ minimum: 0, maximum: 31 })),
});

/** Fields that only the platform sets. */
const output = {
  name: outputText,
  createTime: outputText,
  updateTime: outputText,
  createdBy: outputText,
  state: Type.Optional(Type.Enum(MODEL_STATES, readOnly)),
  status: Type.Optional(Status),
  importedFrom: outputText,
  fineTuningJob: outputText,
  deployedModelRefs: Type.Optional(Type.Array(Type.Object({}, { additionalProperties: true }), readOnly)),
  cluster: outputText,
  calibrated: outputFlag,
  tunable: outputFlag,
  defaultSamplingParams: Type.Optional(Type.Record(Type.String(), Type.Number(), readOnly)),
  rlTunable: outputFlag,
  supportsServerless: outputFlag,
  supervisedLoraTunable: outputFlag,
  supervisedFullParameterTunable: outputFlag,
  rlLoraTunable: outputFlag,
  rlFullParameterTunable: outputFlag,
  precisions: outputPrecisions,
  supportedPrecisions: outputPrecisions,
  supportedPrecisionsWithCalibration: outputPrecisions,
};

/** Fields that clients set, except `displayName`, `public` and `kind`. Stored as sent; absent fields stay absent. */
export const ModelSpec = Type.Object({
  description: text,
  githubUrl: text,
  huggingFaceUrl: text,
  baseModelDetails: Type.Optional(BaseModelDetails),
  peftDetails: Type.Optional(PeftDetails),
  conversationConfig: Type.Optional(ConversationConfig),
  contextLength: count,
  supportsImageInput: flag,
  supportsTools: flag,
  defaultDraftModel: text,
  defaultDraftTokenCount: count,
  deprecationDate: Type.Optional(CalendarDate),
  supportsLora: flag,
  useHfApplyChatTemplate: flag,
  trainingContextLength: count,
});
export type ModelSpec = Static<typeof ModelSpec>;

export const ModelBody = Type.Object({
  ...output,
  ...ModelSpec.properties,
  displayName: text,
  public: flag,
  kind: Type.Optional(Type.Enum(MODEL_KINDS)),
  teftDetails: Type.Optional(Type.Object({})),
  snapshotType: Type.Optional(Type.Enum(["FULL_SNAPSHOT", "INCREMENTAL_SNAPSHOT"])),
});
export type ModelBody = Static<typeof ModelBody>;

export const CreateModelRequest = Type.Object({
  model: Type.Optional(ModelBody),
  modelId: Type.String(),
  cluster: text,
});
export type CreateModelRequest = Static<typeof CreateModelRequest>;

export const UpdateModelQuery = Type.Object({ updateMask: text });

export const GetUploadEndpointRequest = Type.Object({
  filenameToSize: Type.Record(Type.String(), Type.String(int64)),
  enableResumableUpload: flag,
  readMask: text,
});
export type GetUploadEndpointRequest = Static<typeof GetUploadEndpointRequest>;

export const UploadEndpoint = Type.Object({
  filenameToSignedUrls: Type.Record(Type.String(), Type.String()),
  filenameToUnsignedUris: Type.Record(Type.String(), Type.String()),
});
export type UploadEndpoint = Static<typeof UploadEndpoint>;

export const DownloadEndpoint = Type.Object({
  filenameToSignedUrls: Type.Record(Type.String(), Type.String()),
});
export type DownloadEndpoint = Static<typeof DownloadEndpoint>;

export const ValidateUploadQuery = Type.Object({
  skipHfConfigValidation: flag,
  trustRemoteCode: flag,
  configOnly: flag,
});
export type ValidateUploadQuery = Static<typeof ValidateUploadQuery>;

export const PrepareModelRequest = Type.Object({
  precision: Type.Optional(Type.Enum(PRECISIONS)),
  readMask: text,
});
export type PrepareModelRequest = Static<typeof PrepareModelRequest>;

export const ImportModelRequest = Type.Object({
  awsS3Source: Type.Optional(
    Type.Object({
      s3Bucket: text,
      s3Path: text,
      roleArn: text,
      accessKeyId: text,
      accessSecret: text,
    }),
  ),
  azureBlobSource: Type.Optional(
    Type.Object({
      storageAccount: text,
      container: text,
      path: text,
      sasTokenSecret: text,
      clientId: text,
      tenantId: text,
    }),
  ),
  /**
   * The library model to copy when neither `awsS3Source` nor `azureBlobSource` is set. Default: the one with the same
   * id.
   */
  sourceModel: text,
});
export type ImportModelRequest = Static<typeof ImportModelRequest>;

export const ValidateModelConfigRequest = Type.Object({
  configJson: Type.String(),
  tokenizerConfigJson: text,
});
export type ValidateModelConfigRequest = Static<typeof ValidateModelConfigRequest>;

export const CreateVersionQuery = Type.Object({ versionId: text });
/** Only output fields: clients send an empty body. */
export const VersionBody = Type.Object({
  name: outputText,
  createTime: outputText,
  snapshot: Type.Optional(Type.Object({}, { additionalProperties: true, readOnly: true })),
});
export const DeployVersionRequest = Type.Object({
  deployment: Type.String(),
  rolloutStrategy: Type.Enum([
    "ROLLOUT_STRATEGY_UNSPECIFIED",
    "ROLLOUT_STRATEGY_STANDARD",
    "ROLLOUT_STRATEGY_HOT_RELOAD",
  ]),
});
export type DeployVersionRequest = Static<typeof DeployVersionRequest>;

export interface ModelVersion {
  /** `accounts/{account}/models/{model}/versions/{version}`. */
  name: string;
  createTime: string;
  snapshot: Model;
}

export interface DeployedModelRef {
  /** `accounts/{account}/deployedModels/{id}`. */
  name: string;
  deployment: string;
  state: string;
  default: boolean;
  public: boolean;
}

/** A long-running operation. Its result shows in the model's `state` and `status`. */
export interface Operation {
  name: string;
  metadata: Record<string, unknown>;
  done: boolean;
  response?: object;
}

/** A model in responses: all fields, zero values included, but the details of the model's own kind only. */
export type Model = Omit<
  Required<ModelBody>,
  OptionalField | "deployedModelRefs" | "baseModelDetails" | "peftDetails"
> &
  Pick<ModelBody, OptionalField> & {
    deployedModelRefs: readonly DeployedModelRef[];
    baseModelDetails?: Required<BaseModelDetails>;
    peftDetails?: Required<PeftDetails>;
  };
type OptionalField = "conversationConfig" | "deprecationDate" | "teftDetails" | "snapshotType";
