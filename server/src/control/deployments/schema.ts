import { type Static, Type } from "typebox";
import { ListQuerySchema } from "../../platform/db/listing.ts";
import { ACCELERATOR_TYPES } from "../deployment-shapes/service.ts";
import { PRECISIONS } from "../models/service.ts";

const readOnly = { readOnly: true } as const;
const text = Type.Optional(Type.String());
const count = Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }));
const flag = Type.Optional(Type.Boolean());
const outputText = Type.Optional(Type.String(readOnly));
const outputCount = Type.Optional(Type.Integer(readOnly));

export const REGIONS = [
  "REGION_UNSPECIFIED",
  "US_IOWA_1",
  "US_VIRGINIA_1",
  "US_VIRGINIA_2",
  "US_ILLINOIS_1",
  "AP_TOKYO_1",
  "US_ARIZONA_1",
  "US_TEXAS_1",
  "US_ILLINOIS_2",
  "EU_FRANKFURT_1",
  "US_TEXAS_2",
  "EU_ICELAND_1",
  "EU_ICELAND_2",
  "US_WASHINGTON_1",
  "US_WASHINGTON_2",
  "US_WASHINGTON_3",
  "AP_TOKYO_2",
  "US_CALIFORNIA_1",
  "US_UTAH_1",
  "US_GEORGIA_1",
  "US_GEORGIA_2",
  "US_WASHINGTON_4",
  "US_GEORGIA_3",
  "NA_BRITISHCOLUMBIA_1",
  "US_GEORGIA_4",
  "US_OHIO_1",
  "US_NEWYORK_1",
  "EU_NETHERLANDS_1",
  "US_WASHINGTON_5",
  "US_MINNESOTA_1",
  "US_CALIFORNIA_2",
  "AP_MALAYSIA_1",
  "US_OHIO_2",
  "EU_LONDON_1",
  "EU_PARIS_1",
  "EU_HELSINKI_1",
  "US_NEVADA_1",
  "EU_ICELAND_3",
  "US_MISSOURI_1",
  "EU_ICELAND_DEV_1",
  "US_ARIZONA_2",
  "US_ARIZONA_3",
  "US_TEXAS_3",
];
export const MULTI_REGIONS = ["MULTI_REGION_UNSPECIFIED", "GLOBAL", "US", "EUROPE", "APAC"];
export const STATES = ["CREATING", "READY", "UPDATING", "FAILED", "DELETING", "DELETED"] as const;
const BUCKET_TYPES = ["BUCKET_TYPE_UNSPECIFIED", "MINIO", "S3", "NEBIUS", "FW_HOSTED"];
const DIRECT_ROUTE_TYPES = [
  "DIRECT_ROUTE_TYPE_UNSPECIFIED",
  "INTERNET",
  "GCP_PRIVATE_SERVICE_CONNECT",
  "AWS_PRIVATELINK",
];

export const ScalingSchedule = Type.Object({
  minReplicaCount: count,
  schedule: text,
  duration: text,
  timezone: text,
  description: text,
  disabled: flag,
});
export type ScalingSchedule = Static<typeof ScalingSchedule>;

export const AutoscalingPolicy = Type.Object({
  scaleUpWindow: text,
  scaleDownWindow: text,
  scaleToZeroWindow: text,
  loadTargets: Type.Optional(Type.Record(Type.String(), Type.Number())),
  scalingSchedules: Type.Optional(Type.Record(Type.String(), ScalingSchedule)),
});

export const Placement = Type.Object({
  region: Type.Optional(Type.Enum(REGIONS)),
  multiRegion: Type.Optional(Type.Enum(MULTI_REGIONS)),
  regions: Type.Optional(Type.Array(Type.Enum(REGIONS), { maxItems: 50 })),
});

const Status = Type.Object({ code: Type.String(), message: Type.String() }, readOnly);

export const ReplicaStats = Type.Object(
  {
    pendingSchedulingReplicaCount: outputCount,
    downloadingModelReplicaCount: outputCount,
    initializingReplicaCount: outputCount,
    readyReplicaCount: outputCount,
    revocableReplicaCount: outputCount,
    partialReplicaCount: Type.Optional(Type.Number(readOnly)),
  },
  readOnly,
);

/** Fields that clients may write. `fields.ts` refuses unsupported ones by name. */
const writable = {
  displayName: text,
  description: text,
  expireTime: text,
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  minReplicaCount: count,
  maxReplicaCount: count,
  maxWithRevocableReplicaCount: count,
  autoscalingPolicy: Type.Optional(AutoscalingPolicy),
  baseModel: text,
  acceleratorCount: count,
  acceleratorType: Type.Optional(Type.Enum(ACCELERATOR_TYPES)),
  precision: Type.Optional(Type.Enum(PRECISIONS)),
  enableAddons: flag,
  draftTokenCount: count,
  draftModel: text,
  ngramSpeculationLength: count,
  enableSessionAffinity: flag,
  directRouteApiKeys: Type.Optional(Type.Array(Type.String(), { maxItems: 100 })),
  numPeftDeviceCached: count,
  directRouteType: Type.Optional(Type.Enum(DIRECT_ROUTE_TYPES)),
  deploymentTemplate: text,
  autoTune: Type.Optional(Type.Object({ longPrompt: flag })),
  placement: Type.Optional(Placement),
  /** Writable in the API of 2025; replaced by `placement` in 2026. Both are accepted. */
  region: Type.Optional(Type.Enum(REGIONS)),
  maxContextLength: count,
  disableDeploymentSizeValidation: flag,
  enableHotLoad: flag,
  hotLoadBucketType: Type.Optional(Type.Enum(BUCKET_TYPES)),
  enableHotReloadLatestAddon: flag,
  deploymentShape: text,
  activeModelVersion: text,
  targetModelVersion: text,
  hotLoadBucketUrl: text,
  pricingPlanId: text,
  hotLoadTrainerJob: text,
  isNim: flag,
  enableMtp: flag,
  unusedAutoDeleteDuration: text,
  maxPeftBatchSize: count,
};

export const DeploymentBody = Type.Object({
  ...writable,
  name: outputText,
  createTime: outputText,
  purgeTime: outputText,
  deleteTime: outputText,
  state: outputText,
  status: Type.Optional(Status),
  desiredReplicaCount: outputCount,
  replicaCount: outputCount,
  cluster: outputText,
  directRouteHandle: outputText,
  updateTime: outputText,
  replicaStats: Type.Optional(ReplicaStats),
  createdBy: outputText,
});
export type DeploymentBody = Static<typeof DeploymentBody>;

/** The stored part of a body. Direct-route keys and the base model have columns of their own. */
export type StoredSpec = Omit<Static<ReturnType<typeof storedSchema>>, "baseModel" | "directRouteApiKeys"> & {
  /** The model's default draft settings are ignored. */
  disableSpeculativeDecoding?: boolean;
  /** No deployed model is created for the base model. */
  disableAutoDeploy?: boolean;
};
const storedSchema = () => Type.Object(writable);

/** The stored part of a direct-route key. */
export interface DirectRouteKey {
  /** The text that clients see instead of the key; sent back in an update, it keeps the key. */
  shown: string;
  /** HMAC-SHA256 of the key, hexadecimal. */
  digest: string;
}

/** The latest failure of a replica, as it is stored. Only the operator may see more of it than `message`. */
export interface StoredFailure {
  replica: string;
  message: string;
  /** Exit code of the engine's process; null when a signal ended the process, or when no process has ended. */
  exitCode: number | null;
  signal: string | null;
  /** ISO 8601. */
  time: string;
  /** The last lines of the process's output. */
  outputTail: readonly string[];
}

/** A deployment's state in the fleet, as the reconciler observed it last. */
export interface ObservedStatus {
  desiredReplicas: number;
  /** Replicas by stage; draining ones are not counted. */
  pending: number;
  downloading: number;
  initializing: number;
  ready: number;
  /** Replicas among these that ended or could not be started, and are started again. */
  failing: number;
  /** Pending replicas that the host can never run. Absent in what an earlier version stored. */
  unplaceable?: number;
  /** Why not all desired replicas are ready; empty when they are. */
  message: string;
  /** Absent: no replica has failed, or all have been stable since. */
  lastFailure?: StoredFailure;
}

export const EMPTY_STATUS: ObservedStatus = {
  desiredReplicas: 0,
  pending: 0,
  downloading: 0,
  initializing: 0,
  ready: 0,
  failing: 0,
  message: "",
};

export const CreateQuery = Type.Object({
  deploymentId: text,
  disableAutoDeploy: flag,
  disableSpeculativeDecoding: flag,
  validateOnly: flag,
  skipShapeValidation: flag,
  /** Accepted and ignored: replicas are not container images here. */
  skipImageTagValidation: flag,
});
export type CreateQuery = Static<typeof CreateQuery>;

export const ListQuery = Type.Object({ ...ListQuerySchema.properties, showDeleted: flag });
export type ListQuery = Static<typeof ListQuery>;

export const UpdateQuery = Type.Object({ skipShapeValidation: flag, updateMask: text });
export type UpdateQuery = Static<typeof UpdateQuery>;

export const DeleteQuery = Type.Object({ hard: flag, ignoreChecks: flag });
export type DeleteQuery = Static<typeof DeleteQuery>;

export const ScaleBody = Type.Object({
  replicaCount: Type.Optional(Type.Integer({ minimum: 0, maximum: 64 })),
});
export type ScaleBody = Static<typeof ScaleBody>;

export const MetricsQuery = Type.Object({ timeRange: text });

export const ShardBody = Type.Object({
  name: outputText,
  createTime: outputText,
  updateTime: outputText,
  state: outputText,
  status: Type.Optional(Status),
  replicaStats: Type.Optional(ReplicaStats),
});
