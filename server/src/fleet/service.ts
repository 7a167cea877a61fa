import type { Engine, ProcessEngineKind } from "../engine/port.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { attachedBoot, type ProcessBootOptions, processBoot } from "./boot.ts";
import { type PoolOptions, ReplicaPool } from "./pool.ts";
import { type Boot, Replica, type ReplicaStatus } from "./replica.ts";
import type { RoutedEngine } from "./routed-engine.ts";
import type { Weights, WeightsProgress } from "./weights/ensure.ts";
import { parseWeightsSource } from "./weights/source.ts";

export type { ReplicaState, ReplicaStatus } from "./replica.ts";
export type { RoutedEngine } from "./routed-engine.ts";
export type { Weights, WeightsProgress } from "./weights/ensure.ts";
export { parseWeightsSource } from "./weights/source.ts";

/** A model that the platform runs itself, in processes of its own. */
export interface ProcessModel {
  /** Full model name. */
  name: string;
  /** A key of the fleet's `kinds`. */
  engine: string;
  weights: Weights | null;
  /** 1–64. Default 1. */
  replicas?: number;
  /** The options of the engine kind, once the weights lie at `weightsPath`; null for a model without weights. */
  options(weightsPath: string | null): unknown;
}

/** A model that somebody else runs. */
export interface AttachedEngine {
  /** Full model name. */
  name: string;
  attach(): Engine;
}

export interface FleetOptions {
  models: readonly (ProcessModel | AttachedEngine)[];
  kinds: Readonly<Record<string, ProcessEngineKind<never>>>;
  /** Outside the data folder, shared by every server of the user. */
  cacheDir: string;
  /** Base address of the hub that `hf:` sources mean. */
  hubEndpoint: string;
  /** The server's environment. Engines get the harmless part of it, downloads the proxy settings besides. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  clock?: Clock;
  /** 0–1. Default `Math.random`. */
  random?: () => number;
  /** Longest time a request waits for a replica that is starting. Default 30,000. */
  coldStartMs?: number;
  /** Longest time from the start of a process to its loaded model. Default 600,000. */
  loadTimeoutMs?: number;
  onProgress?: (model: string, progress: WeightsProgress) => void;
}

export interface Fleet {
  /** Brings every replica up, in the background. Never fails: what is wrong stands in `status()`. Idempotent. */
  start(): void;
  /**
   * A ready replica of the model with the least outstanding work; waits for one that is starting. Call once a request.
   * @throws AppError UNAVAILABLE with `retryAfterS`; the signal's reason when it is aborted.
   */
  route(model: string, signal: AbortSignal): Promise<RoutedEngine>;
  /** Every replica, in a fixed order. */
  status(): ReplicaStatus[];
  /** Takes no new work, lets what runs finish for at most `graceMs`, then ends every engine. Idempotent. */
  close(graceMs: number): Promise<void>;
}

const MAX_REPLICAS = 64;

/** @throws Error naming the model when its engine, its weights' sources or its replicas can't be used. */
export function createFleet(options: FleetOptions): Fleet {
  const clock = options.clock ?? systemClock;
  const poolOptions: PoolOptions = { clock, coldStartMs: options.coldStartMs ?? 30_000 };
  const pools = new Map<string, ReplicaPool>();
  for (const model of options.models) {
    if (pools.has(model.name)) throw new Error(`${model.name} is in the fleet twice.`);
    pools.set(model.name, createPool(model, options, poolOptions));
  }
  let closing: Promise<void> | null = null;

  return {
    start() {
      for (const pool of pools.values()) pool.start();
    },
    async route(model, signal) {
      const pool = pools.get(model);
      if (pool === undefined) throw new AppError("UNAVAILABLE", `No engine serves ${model} here.`);
      return pool.route(signal);
    },
    status: () => [...pools.values()].flatMap((pool) => pool.status()),
    close(graceMs) {
      closing ??= Promise.all([...pools.values()].map((pool) => pool.close(graceMs))).then(() => {});
      return closing;
    },
  };
}

function createPool(
  model: ProcessModel | AttachedEngine,
  options: FleetOptions,
  poolOptions: PoolOptions,
): ReplicaPool {
  const isAttached = "attach" in model;
  const count = isAttached ? 1 : (model.replicas ?? 1);
  if (!Number.isInteger(count) || count < 1 || count > MAX_REPLICAS) {
    throw new Error(`${model.name}: replicas must be 1–${MAX_REPLICAS}.`);
  }
  const boot = isAttached
    ? attachedBoot(() => model.attach())
    : processBoot(bootOptions(model, options, poolOptions));
  return new ReplicaPool(model.name, poolOptions, (onChange) =>
    Array.from({ length: count }, (_, index) =>
      createReplica(model.name, index, boot, !isAttached, onChange),
    ),
  );

  function createReplica(
    name: string,
    index: number,
    start: Boot,
    watchHealth: boolean,
    onChange: () => void,
  ): Replica {
    return new Replica({
      id: `${name}/replicas/${index}`,
      model: name,
      boot: start,
      watchHealth,
      clock: poolOptions.clock,
      random: options.random ?? Math.random,
      log: options.log,
      onChange,
    });
  }
}

function bootOptions(model: ProcessModel, options: FleetOptions, { clock }: PoolOptions): ProcessBootOptions {
  const kind = options.kinds[model.engine];
  if (kind === undefined) throw new Error(`${model.name}: there is no engine ${model.engine}.`);
  for (const source of model.weights?.sources ?? []) parseWeightsSource(source);
  const { cacheDir, hubEndpoint, env, log } = options;
  return {
    kind,
    options: (weightsPath) => model.options(weightsPath),
    weights: model.weights,
    weightsOptions: { cacheDir, hubEndpoint, env, log, clock },
    onProgress: (progress) => options.onProgress?.(model.name, progress),
    loadTimeoutMs: options.loadTimeoutMs ?? 600_000,
  };
}
