import type { DeploymentStatus as FleetDeploymentStatus } from "../../fleet/service.ts";
import { formatDuration } from "../../lib/durations.ts";
import { policyView, replicaBounds, unusedAutoDeleteMs } from "./autoscaling.ts";
import { NO_DIRECT_ROUTE } from "./fields.ts";
import { deploymentName } from "./names.ts";
import { placementView, regionOf } from "./placement.ts";
import type { ObservedStatus } from "./schema.ts";
import type { DeploymentRow } from "./store.ts";

export interface DeploymentViewDeps {
  /** The deployment's present state in the fleet of this process; null: the stored observation applies. */
  observation: FleetDeploymentStatus | null;
  createdBy: string;
  hostRegion: string | null;
  /** Host and port under which the client reached the platform. */
  host: string;
}

/** A deployment as clients see it, with every field. */
export function deploymentView(row: DeploymentRow, context: DeploymentViewDeps): object {
  const { spec } = row;
  const observed = context.observation === null ? row.observed : observedStatus(context.observation);
  const bounds = replicaBounds(spec);
  return {
    name: deploymentName(row),
    displayName: spec.displayName ?? "",
    description: spec.description ?? "",
    createTime: row.createTime.toISOString(),
    ...times(row),
    state: row.state,
    status: statusView(row, observed),
    annotations: spec.annotations ?? {},
    minReplicaCount: bounds.min,
    maxReplicaCount: bounds.max,
    maxWithRevocableReplicaCount: 0,
    desiredReplicaCount: observed.desiredReplicas,
    replicaCount: observed.ready,
    autoscalingPolicy: policyView(spec),
    baseModel: row.baseModel,
    acceleratorCount: spec.acceleratorCount ?? 0,
    acceleratorType: spec.acceleratorType ?? "ACCELERATOR_TYPE_UNSPECIFIED",
    precision: spec.precision ?? "PRECISION_UNSPECIFIED",
    cluster: "",
    enableAddons: spec.enableAddons ?? false,
    draftTokenCount: spec.draftTokenCount ?? 0,
    draftModel: spec.draftModel ?? "",
    ngramSpeculationLength: spec.ngramSpeculationLength ?? 0,
    enableSessionAffinity: spec.enableSessionAffinity ?? false,
    directRouteApiKeys: row.directRouteKeys.map(({ shown }) => shown),
    numPeftDeviceCached: spec.numPeftDeviceCached ?? 0,
    directRouteType: spec.directRouteType ?? NO_DIRECT_ROUTE,
    directRouteHandle: directRouteHandle(row, context.host),
    deploymentTemplate: "",
    autoTune: { longPrompt: spec.autoTune?.longPrompt ?? false },
    placement: placementView(row),
    region: regionOf(spec, context.hostRegion),
    maxContextLength: spec.maxContextLength ?? 0,
    updateTime: row.updateTime.toISOString(),
    disableDeploymentSizeValidation: spec.disableDeploymentSizeValidation ?? false,
    enableHotLoad: false,
    hotLoadBucketType: "BUCKET_TYPE_UNSPECIFIED",
    enableHotReloadLatestAddon: spec.enableHotReloadLatestAddon ?? false,
    deploymentShape: spec.deploymentShape ?? "",
    activeModelVersion: "",
    targetModelVersion: "",
    replicaStats: replicaStatsView(observed),
    hotLoadBucketUrl: "",
    pricingPlanId: "",
    hotLoadTrainerJob: "",
    createdBy: context.createdBy,
    isNim: false,
    enableMtp: false,
    unusedAutoDeleteDuration: formatDuration(unusedAutoDeleteMs(spec) ?? 0),
    maxPeftBatchSize: 0,
  };
}

function times({ spec, deleteTime, purgeTime }: DeploymentRow): object {
  return {
    ...(spec.expireTime === undefined ? {} : { expireTime: spec.expireTime }),
    ...(purgeTime === null ? {} : { purgeTime: purgeTime.toISOString() }),
    ...(deleteTime === null ? {} : { deleteTime: deleteTime.toISOString() }),
  };
}

/** The problem of the deployment or, while there is none, its progress. */
export function statusView(row: DeploymentRow, observed: ObservedStatus): { code: string; message: string } {
  if (row.statusCode !== "") return { code: row.statusCode, message: row.statusMessage };
  const isLive = row.state === "CREATING" || row.state === "READY" || row.state === "UPDATING";
  if (!isLive) return { code: "OK", message: "" };
  const { pending, failing, ready, message } = observed;
  if (ready > 0) return { code: "OK", message };
  return { code: failing > 0 ? "UNAVAILABLE" : pending > 0 ? "RESOURCE_EXHAUSTED" : "OK", message };
}

export function replicaStatsView(observed: ObservedStatus): object {
  return {
    pendingSchedulingReplicaCount: observed.pending,
    downloadingModelReplicaCount: observed.downloading,
    initializingReplicaCount: observed.initializing,
    readyReplicaCount: observed.ready,
    revocableReplicaCount: 0,
    partialReplicaCount: 0,
  };
}

/** A replica that failed counts as failing until it is ready, also while its next start is under way. */
function isFailing({ state, lastFailure }: FleetDeploymentStatus["replicas"][number]): boolean {
  if (state === "missing-weights" || state === "backoff" || state === "unhealthy") return true;
  return state === "starting" && lastFailure !== null;
}

export function observedStatus({
  desiredReplicas,
  replicas,
  message,
}: FleetDeploymentStatus): ObservedStatus {
  const count = (stage: string): number => replicas.filter((replica) => replica.stage === stage).length;
  return {
    desiredReplicas,
    pending: count("pending"),
    downloading: count("downloading"),
    initializing: count("initializing"),
    ready: count("ready"),
    failing: replicas.filter(isFailing).length,
    unplaceable: replicas.filter(({ state }) => state === "unplaceable").length,
    message: message ?? "",
  };
}

/** `host/direct/{account}/{deployment}`: the base of the deployment's URLs; empty without a direct route. */
function directRouteHandle(row: DeploymentRow, host: string): string {
  const hasRoute = (row.spec.directRouteType ?? NO_DIRECT_ROUTE) !== NO_DIRECT_ROUTE;
  return hasRoute ? `${host}/direct/${row.accountId}/${row.id}` : "";
}
