import { createHash } from "node:crypto";
import type { Accelerators, DeploymentSpec } from "../../fleet/service.ts";
import { replicaBounds, scalingOf } from "./autoscaling.ts";
import { deploymentName } from "./names.ts";
import type { StoredSpec } from "./schema.ts";
import type { DeploymentRow } from "./store.ts";

export type FetchFile = (signal: AbortSignal, onPhase: (message: string) => void) => Promise<string>;

/** What a replica of a deployment runs; how, is the business of whoever knows the engines. */
export interface Workload {
  /** Full name. */
  model: string;
  precision: string | null;
  weights: FetchFile;
  /** The same as it was uploaded: a folder in Hugging Face's form, or a GGUF file. */
  uploaded: FetchFile;
  draft: FetchFile | null;
  /** Tokens drafted a step, by the draft model or by n-gram lookup; null: the engine's own choice. */
  draftTokens: number | null;
  /** Tokens of the output's end that are looked up in what came before; null: no lookup. */
  ngramLength: number | null;
  /** Tokens; null: the model's own. */
  contextLength: number | null;
  /** Room for longer prompts, for fewer at a time. */
  longPrompt: boolean;
  withLora: boolean;
  /** Of each replica; null: the host's processors compute. */
  accelerators: Accelerators | null;
}

export interface FleetSpecDeps {
  /** The model's file, in the engine's form, on this host. */
  fetchModel(name: string, precision: string | null): FetchFile;
  /** The model's files as they were uploaded, on this host. */
  fetchUpload(name: string): FetchFile;
  /** How a workload is run here, and how many requests at the same time. */
  engineFor(workload: Workload): Required<Pick<DeploymentSpec, "engine" | "concurrency">>;
}

const NO_ACCELERATOR = "ACCELERATOR_TYPE_UNSPECIFIED";
const NO_PRECISION = "PRECISION_UNSPECIFIED";
/** Where only the number is asked for, as the contract has it. */
const DEFAULT_ACCELERATOR = "NVIDIA_A100_80GB";

/** What the fleet is to run for a deployment. @param minReplicas at this time, see minReplicasAt. */
export function fleetSpec(
  row: DeploymentRow,
  adapters: DeploymentSpec["loras"],
  deps: FleetSpecDeps,
  minReplicas: number,
): DeploymentSpec {
  const { spec } = row;
  const made = replicaTemplate(row);
  const workload = {
    ...made,
    weights: deps.fetchModel(made.model, made.precision),
    uploaded: deps.fetchUpload(made.model),
    draft: made.draftModel === null ? null : deps.fetchModel(made.draftModel, null),
  };
  return {
    id: deploymentName(row),
    model: made.model,
    revision: revisionOf(row),
    ...deps.engineFor(workload),
    minReplicas,
    maxReplicas: replicaBounds(spec).max,
    fixedReplicas: row.fixedReplicas,
    scaling: scalingOf(spec),
    sessionAffinity: spec.enableSessionAffinity ?? false,
    loras: adapters,
    accelerators: made.accelerators,
    lastUsedMs: row.lastUsedTime.getTime(),
  };
}

/** What all replicas together may come to hold; null: the host's processors compute. */
export function acceleratorsOf(row: DeploymentRow): { type: string; count: number } | null {
  const { accelerators } = replicaTemplate(row);
  if (accelerators === null) return null;
  return { type: accelerators.type, count: accelerators.count * replicaBounds(row.spec).max };
}

/** Changes with everything that replicas are made of. */
export function revisionOf(row: DeploymentRow): string {
  return createHash("sha256")
    .update(JSON.stringify(replicaTemplate(row)))
    .digest("hex")
    .slice(0, 16);
}

/** What replicas are made of: the same for specs that mean the same. */
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

/** Of each replica. Only where they are asked for: else, null, the host's processors compute. */
export function replicaAccelerators({
  acceleratorType,
  acceleratorCount,
}: Pick<StoredSpec, "acceleratorType" | "acceleratorCount">): Accelerators | null {
  const isTyped = (acceleratorType ?? NO_ACCELERATOR) !== NO_ACCELERATOR;
  const type = isTyped ? (acceleratorType as string) : DEFAULT_ACCELERATOR;
  return isTyped || acceleratorCount ? { type, count: acceleratorCount || 1 } : null;
}
