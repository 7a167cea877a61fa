import type { Engine } from "../engine/engine.ts";
import type { ProcessEngineKind } from "../engine/process.ts";
import { AppError } from "../lib/errors.ts";
import { fillCommandTemplate } from "./launchers/command-template.ts";
import { LOAD_TARGETS, type LoadTargets } from "./scaling/autoscaling-policy.ts";
import type { Weights } from "./weights/ensure-weights.ts";
import { parseWeightsSource } from "./weights/source.ts";

/** Fetches a file or folder to this host. It is called at every start, and so it keeps a cache. */
export interface Fetchable {
  /** Returns the local path. @param onPhase gets public sentences on the progress. @throws AppError with a public message. */
  fetch(signal: AbortSignal, onPhase: (message: string) => void): Promise<string>;
}

/** An engine that the platform runs in processes of an engine kind. */
export interface ProcessEngine {
  /** A key of the fleet's `kinds`. */
  kind: string;
  weights: Fetchable | Weights | null;
  /** The options of the engine kind. @param path of the weights; null: a model without weights. */
  options(path: string | null): unknown;
}

/** An OpenAI-compatible server that the platform starts with a command. */
export interface CommandEngine {
  /**
   * Program and arguments; no shell reads them. `{port}` is the port to listen on at 127.0.0.1, `{model}` the path of the
   * weights, `{name}` the upstream model's name.
   */
  command: readonly string[];
  weights: Fetchable | Weights | null;
  /** The model's name on that server. */
  upstreamModel: string;
  /** Optional features of that server, by the names that the OpenAI-server engine knows. */
  features?: readonly string[];
  /** Most tokens of prompt and output together. Absent: not known. */
  contextLength?: number;
}

/** An engine that the platform neither starts nor stops; it has one replica. */
export interface AttachedEngine {
  attach(): Engine;
}

/** A LoRA that every replica of a deployment should have. One id always means the same file. */
export interface LoraSpec extends Fetchable {
  id: string;
  /** Multiplies the LoRA's effect. Default 1. */
  scale?: number;
}

export interface Scaling {
  /** Load is averaged over this long before replicas are added. */
  scaleUpWindowMs: number;
  /** Load must have been lower for this long before replicas are removed. */
  scaleDownWindowMs: number;
  /** Time without requests after which a deployment with `minReplicas` 0 has no replica. */
  scaleToZeroWindowMs: number;
  /** See `LOAD_TARGETS`. */
  loadTargets: LoadTargets;
}

export interface Accelerators {
  /** As in the control plane: `NVIDIA_H100_80GB`. */
  type: string;
  /** For each replica; ≥ 1. */
  count: number;
}

/** The desired state of a deployment. */
export interface DeploymentSpec {
  /** The deployment's full name; the model's full name for models that the platform always runs. */
  id: string;
  /** The model's full name. */
  model: string;
  /** Identifies the replicas' model and options. Replicas of another revision are replaced one by one, after their running work. */
  revision: string;
  engine: ProcessEngine | CommandEngine | AttachedEngine;
  /** 0–64. */
  minReplicas: number;
  /** ≥ `minReplicas`, at most 64. */
  maxReplicas: number;
  /** The number of replicas whatever the load; null: the autoscaler decides within the bounds. */
  fixedReplicas: number | null;
  scaling: Scaling;
  /** Requests that one replica computes at the same time (the engine's slots), ≥ 1. Default 8. */
  concurrency?: number;
  /** Requests with one session key go to one replica. */
  sessionAffinity: boolean;
  loras: readonly LoraSpec[];
  /** Leased from the host for each replica; null or absent: none. */
  accelerators?: Accelerators | null;
  /** Wall clock: the last use, or the creation, before this process applied the spec. Default: now. */
  lastUsedMs?: number;
}

export const DEFAULT_SCALING: Scaling = {
  scaleUpWindowMs: 30_000,
  scaleDownWindowMs: 600_000,
  scaleToZeroWindowMs: 3_600_000,
  loadTargets: { default: 0.8 },
};

/** The spec of a model that the platform always runs, with a fixed number of replicas. */
export function alwaysOnSpec(model: string, engine: DeploymentSpec["engine"], replicas = 1): DeploymentSpec {
  return {
    id: model,
    model,
    revision: "",
    engine,
    minReplicas: replicas,
    maxReplicas: replicas,
    fixedReplicas: null,
    scaling: DEFAULT_SCALING,
    sessionAffinity: false,
    loras: [],
  };
}

export const MAX_REPLICAS = 64;

/** @throws AppError FAILED_PRECONDITION naming the deployment, with a public message, when no fleet can run the spec. */
export function checkSpec(
  spec: DeploymentSpec,
  kinds: Readonly<Record<string, ProcessEngineKind<never>>>,
): void {
  const { id, engine, minReplicas, maxReplicas, fixedReplicas } = spec;
  const isCount = (count: number) => Number.isInteger(count) && count >= 0 && count <= MAX_REPLICAS;
  const fail = (problem: string): never => {
    throw new AppError("FAILED_PRECONDITION", `${id}: ${problem}.`);
  };
  if (![minReplicas, maxReplicas, fixedReplicas ?? 0].every(isCount) || minReplicas > maxReplicas) {
    fail(`replicas must be 0–${MAX_REPLICAS}, the least not above the most`);
  }
  if ("attach" in engine && maxReplicas > 1) fail("an attached engine is one replica");
  if ("kind" in engine && kinds[engine.kind] === undefined) fail(`there is no engine ${engine.kind}`);
  if ("command" in engine) checkCommand(engine, fail);
  if (!("attach" in engine) && engine.weights !== null && "sources" in engine.weights) {
    for (const source of engine.weights.sources) parseWeightsSource(source);
  }
  for (const [key, target] of Object.entries(spec.scaling.loadTargets)) {
    if (!LOAD_TARGETS.includes(key) || !(target > 0)) fail(`${key}=${target} is no load target`);
  }
}

function checkCommand({ command, weights }: CommandEngine, fail: (problem: string) => never): void {
  if (command.length === 0) fail("the command is empty");
  try {
    fillCommandTemplate(command, { port: "", name: "", model: weights === null ? null : "" });
  } catch (error) {
    fail((error as Error).message);
  }
}
