import { createHash } from "node:crypto";
import type { Accelerators, DeploymentSpec } from "../../fleet/service.ts";
import { replicaBounds, scalingOf } from "./autoscaling.ts";
import { deploymentName } from "./names.ts";
import type { StoredSpec } from "./schema.ts";
import type { DeploymentRow } from "./store.ts";

export type FetchFile = (signal: AbortSignal, onPhase: (message: string) => void) => Promise<string>;

/** The model, options and accelerators of a deployment's replicas, independent of the engine. */
export interface Workload {
  /** Full name. */
  model: string;
  precision: string | null;
  weights: FetchFile;
  /** The files as they were uploaded: a folder in Hugging Face's format, or a GGUF file. */
  uploaded: FetchFile;
  draft: FetchFile | null;
  /** Tokens drafted in a step, by the draft model or by n-gram lookup; null: the engine decides. */
  draftTokens: number | null;
  /** Tokens of the n-gram that is looked up in the preceding text; null: no n-gram lookup. */
  ngramLength: number | null;
  /** Tokens; null: the model's context length. */
  contextLength: number | null;
  /** Longer prompts at the cost of fewer concurrent requests. */
  longPrompt: boolean;
  withLora: boolean;
  /** For each replica; null: the replica computes on the host's processors. */
  accelerators: Accelerators | null;
}

export interface FleetSpecDeps {
  /** Fetches the model's file, in the engine's format, to this host. */
  fetchModel(name: string, precision: string | null): FetchFile;
  /** Fetches the model's files as they were uploaded to this host. */
  fetchUpload(name: string): FetchFile;
  /** The engine that runs a workload on this host, and its concurrent requests. @throws AppError when none can. */
  engineFor(workload: Workload): Required<Pick<DeploymentSpec, "engine" | "concurrency">>;
}

const NO_ACCELERATOR = "ACCELERATOR_TYPE_UNSPECIFIED";
const NO_PRECISION = "PRECISION_UNSPECIFIED";
/** The contract's default for a request that gives the number of accelerators alone. */
const DEFAULT_ACCELERATOR = "NVIDIA_A100_80GB";

/** The fleet's spec of a deployment. @param minReplicas the lower bound now; see minReplicasAt. */
export function fleetSpec(
  row: DeploymentRow,
  loras: DeploymentSpec["loras"],
  deps: FleetSpecDeps,
  minReplicas: number,
): DeploymentSpec {
  const { spec } = row;
  const template = replicaTemplate(row);
  const workload = {
    ...template,
    weights: deps.fetchModel(template.model, template.precision),
    uploaded: deps.fetchUpload(template.model),
    draft: template.draftModel === null ? null : deps.fetchModel(template.draftModel, null),
  };
  return {
    id: deploymentName(row),
    model: template.model,
    revision: revisionOf(row),
    ...deps.engineFor(workload),
    minReplicas,
    maxReplicas: replicaBounds(spec).max,
    fixedReplicas: row.fixedReplicas,
    scaling: scalingOf(spec),
    sessionAffinity: spec.enableSessionAffinity ?? false,
    loras,
    accelerators: template.accelerators,
    lastUsedMs: row.lastUsedTime.getTime(),
  };
}

/** The accelerators of all replicas at the upper bound; null: the replicas compute on the host's processors. */
export function acceleratorsOf(row: DeploymentRow): { type: string; count: number } | null {
  const { accelerators } = replicaTemplate(row);
  if (accelerators === null) return null;
  return { type: accelerators.type, count: accelerators.count * replicaBounds(row.spec).max };
}

/** A hash of the replica template: it changes when replicas have to be replaced. */
export function revisionOf(row: DeploymentRow): string {
  return createHash("sha256")
    .update(JSON.stringify(replicaTemplate(row)))
    .digest("hex")
    .slice(0, 16);
}

/** The properties of the row that replicas depend on, normalised. */
function replicaTemplate({ spec, servedModel, baseModel }: DeploymentRow) {
  const drafts = spec.draftTokenCount !== 0;
  const draftModel = (drafts && spec.draftModel) || null;
  const ngramLength = (drafts && spec.ngramSpeculationLength) || null;
  return {
    model: servedModel,
    precision: (spec.precision ?? NO_PRECISION) === NO_PRECISION ? null : (spec.precision as string),
    draftModel,
    draftTokens: draftModel === null && ngramLength === null ? null : (spec.draftTokenCount ?? null),
    ngramLength,
    contextLength: spec.maxContextLength || null,
    longPrompt: spec.autoTune?.longPrompt ?? false,
    withLora:
      (spec.enableAddons ?? false) || (spec.enableHotReloadLatestAddon ?? false) || servedModel !== baseModel,
    accelerators: replicaAccelerators(spec),
  };
}

/** The accelerators of each replica; null when none are asked for: it then computes on the host's processors. */
export function replicaAccelerators({
  acceleratorType,
  acceleratorCount,
}: Pick<StoredSpec, "acceleratorType" | "acceleratorCount">): Accelerators | null {
  const isTyped = (acceleratorType ?? NO_ACCELERATOR) !== NO_ACCELERATOR;
  const type = isTyped ? (acceleratorType as string) : DEFAULT_ACCELERATOR;
  return isTyped || acceleratorCount ? { type, count: acceleratorCount || 1 } : null;
}
