import type { Engine, ProcessEngineKind } from "../engine/port.ts";
import { AppError } from "../lib/errors.ts";
import { fillCommandTemplate } from "./launchers/command-template.ts";
import { LOAD_TARGETS, type LoadTargets } from "./scaling/autoscaling-policy.ts";
import type { Weights } from "./weights/ensure-weights.ts";
import { parseWeightsSource } from "./weights/source.ts";

/** Gets a file or folder to this host and gives its path; called again at every start, so it caches by itself. */
export interface Fetchable {
  /** @param onPhase takes a public sentence on what it is doing. @throws AppError with a public message. */
  fetch(signal: AbortSignal, onPhase: (message: string) => void): Promise<string>;
}

/** Run by the platform in processes of an engine kind. */
export interface ProcessEngine {
  /** A key of the fleet's `kinds`. */
  kind: string;
  weights: Fetchable | Weights | null;
  /** The options of the engine kind, once the weights lie at `path`; null for a model without weights. */
  options(path: string | null): unknown;
}

/** An OpenAI-compatible server, run by the platform with a command of its own. */
export interface CommandEngine {
  /**
   * Program and arguments, no shell. `{port}` is the port it must listen on at 127.0.0.1, `{model}` the path of the
   * weights, `{name}` the name it is asked for.
   */
  command: readonly string[];
  weights: Fetchable | Weights | null;
  /** The model's name on that server. */
  upstreamModel: string;
  /** What that server can do beyond every one's abilities, in the adapter's words. */
  features?: readonly string[];
  /** Most tokens of prompt and output together, where known. */
  contextLength?: number;
}

/** Somebody else runs it: one replica, never started or stopped by the platform. */
export interface AttachedEngine {
  attach(): Engine;
}

/** A LoRA adapter that every replica of a deployment should have. The same id is the same file. */
export interface LoraSpec extends Fetchable {
  id: string;
  /** Factor of its effect. Default 1. */
  scale?: number;
}

export interface Scaling {
  /** Load is averaged over this long before replicas are added. */
  scaleUpWindowMs: number;
  /** Load must have been lower for this long before replicas are taken away. */
  scaleDownWindowMs: number;
  /** Time without requests after which no replica is left, where `minReplicas` is 0. */
  scaleToZeroWindowMs: number;
  /** See `LOAD_TARGETS`. */
  loadTargets: LoadTargets;
}

export interface Accelerators {
  /** As in the control plane: `NVIDIA_H100_80GB`. */
  type: string;
  /** ≥ 1, a replica. */
  count: number;
}

/** What should run from now on. */
export interface DeploymentSpec {
  /** The deployment's full name; the model's for what the platform itself deploys. */
  id: string;
  /** The model's full name. */
  model: string;
  /** Of everything a replica runs: replicas of another revision are replaced, one by one, as running work allows. */
  revision: string;
  engine: ProcessEngine | CommandEngine | AttachedEngine;
  /** 0–64. */
  minReplicas: number;
  /** ≥ `minReplicas`, at most 64. */
  maxReplicas: number;
  /** Exactly so many, whatever the load; null: between the two above, by load. */
  fixedReplicas: number | null;
  scaling: Scaling;
  /** What one replica computes at the same time (the engine's slots), ≥ 1. Default 8. */
  concurrency?: number;
  /** Requests with one session key go to one replica. */
  sessionAffinity: boolean;
  loras: readonly LoraSpec[];
  /** Taken from the host's for each replica. */
  accelerators?: Accelerators | null;
  /** Wall clock: when it was used last, or made, before this process knew it. Default: now. */
  lastUsedMs?: number;
}

export const DEFAULT_SCALING: Scaling = {
  scaleUpWindowMs: 30_000,
  scaleDownWindowMs: 600_000,
  scaleToZeroWindowMs: 3_600_000,
  loadTargets: { default: 0.8 },
};

/** The spec of a model that the platform always runs. */
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
