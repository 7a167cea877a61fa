import type { ProcessEngineKind } from "../engine/process.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { type BootOptions, bootOf } from "./boot.ts";
import { Deployment, type DeploymentStatus } from "./deployment.ts";
import { DeviceAllocator, type DeviceAllocatorOptions, type HostStatus } from "./device-allocator.ts";
import type { ReplicaDiagnostics } from "./failure.ts";
import type { OpenServer } from "./launch.ts";
import { MemoryAllocator } from "./memory-allocator.ts";
import type { ReplicaLease } from "./replica-lease.ts";
import type { RoutingHints } from "./routing/router.ts";
import { checkSpec, type DeploymentSpec } from "./spec.ts";
import type { ReplicaStatus } from "./types.ts";
import type { WeightsProgress } from "./weights/ensure-weights.ts";

export type { DeploymentStatus } from "./deployment.ts";
export type { HostStatus } from "./device-allocator.ts";
export { publicMessage, type ReplicaDiagnostics, type ReplicaFailure } from "./failure.ts";
export type { LoraStatus } from "./loras.ts";
export type { ReplicaLease } from "./replica-lease.ts";
export type { PromptPrefix } from "./routing/prefix-index.ts";
export { LOAD_TARGETS } from "./scaling/autoscaling-policy.ts";
export {
  type Accelerators,
  alwaysOnSpec,
  DEFAULT_SCALING,
  type DeploymentSpec,
  type Fetchable,
  type LoraSpec,
  MAX_REPLICAS,
  type Scaling,
} from "./spec.ts";
export type { ReplicaStage, ReplicaState, ReplicaStatus } from "./types.ts";
export { ensureWeights, type Weights, type WeightsProgress } from "./weights/ensure-weights.ts";
export { parseWeightsSource } from "./weights/source.ts";

export interface FleetOptions {
  kinds: Readonly<Record<string, ProcessEngineKind<never>>>;
  /** Opens an engine on a server that a command has started. */
  openServer: OpenServer;
  /** Where weights are kept: outside the data folder, shared by every server of the user. */
  cacheDir: string;
  /** Base address of the hub that `hf:` sources mean. */
  hubEndpoint: string;
  /** The server's environment. `childEnv` picks the variables that engines and downloads get. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  /** The accelerators, the region and the memory of the host. Default: no accelerators, no region, the machine's memory. */
  host?: DeviceAllocatorOptions;
  clock?: Clock;
  /** 0–1. Default `Math.random`. */
  random?: () => number;
  /** Longest time a request waits for a replica that can take it. Default 120,000. */
  coldStartMs?: number;
  /** Longest time from the start of a process to its loaded model. Default 600,000. */
  loadTimeoutMs?: number;
  onProgress?: (model: string, progress: WeightsProgress) => void;
  /** Starts processes. Default: as child processes of this one. */
  launcher?: NonNullable<BootOptions["launcher"]>;
}

/** The deployment of a request, and hints for the choice of its replica. */
export interface RouteRequest extends RoutingHints {
  /** The deployment's id. */
  deployment: string;
}

export interface RemoveOptions {
  graceMs: number;
  /** Default: UNAVAILABLE, as the deployment is being deleted. */
  error?: AppError;
}

export interface Fleet {
  /**
   * Sets what should run under the spec's id from now on. Starts replicas in the background; `observe` shows
   * their failures.
   * @throws AppError FAILED_PRECONDITION with a public message when no fleet can run the spec.
   */
  apply(spec: DeploymentSpec): void;
  /**
   * Refuses new and waiting requests with `error`, and lets running ones finish for at most `graceMs`; resolves once no
   * replica is left.
   */
  remove(id: string, options: RemoveOptions): Promise<void>;
  /**
   * Leases a replica to a request; waits at most `coldStartMs` for one that is starting, is full or is loading the LoRA. The
   * request then runs with that LoRA.
   * @throws AppError UNAVAILABLE with `retryAfterS`; FAILED_PRECONDITION when the LoRA can't be loaded; the signal's
   * reason when it is aborted.
   */
  route(request: RouteRequest, signal: AbortSignal): Promise<ReplicaLease>;
  /** Null when the fleet runs no such deployment. Every text in it is public. */
  observe(id: string): DeploymentStatus | null;
  /** The last failure of each replica that has one, with output of its process: for the operator only. */
  diagnostics(id: string): ReplicaDiagnostics[];
  /** Whether new requests to the deployment wait for long, as far as this gateway knows. */
  isOverloaded(id: string): boolean;
  /** Calls `listener` soon after the result of `observe` has changed, except for counts of requests. The returned function ends it. */
  onChange(listener: (id: string) => void): () => void;
  /** Every replica; those of one deployment in a fixed order. */
  status(): ReplicaStatus[];
  host(): HostStatus;
  /** Refuses new work, lets running work finish for at most `graceMs`, then ends every engine. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** Time after which a request that finds its deployment closed may try again. */
const RETRY_S = 5;

export function createFleet(options: FleetOptions): Fleet {
  return new DynamicFleet(options);
}

class DynamicFleet implements Fleet {
  readonly #options: FleetOptions;
  readonly #deviceAllocator: DeviceAllocator;
  readonly #boot: BootOptions;
  readonly #deployments = new Map<string, Deployment>();
  /** Removed deployments that still have replicas. */
  readonly #leaving = new Set<Deployment>();
  readonly #listeners = new Set<(id: string) => void>();
  readonly #changed = new Set<string>();
  #closing: Promise<void> | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#deviceAllocator = new DeviceAllocator(options.host);
    this.#boot = {
      ...options,
      clock: options.clock ?? systemClock,
      loadTimeoutMs: options.loadTimeoutMs ?? 600_000,
      deviceAllocator: this.#deviceAllocator,
      memoryAllocator: new MemoryAllocator(this.#deviceAllocator.status().memoryBytes),
      onProgress: (model, progress) => options.onProgress?.(model, progress),
    };
  }

  apply(spec: DeploymentSpec): void {
    checkSpec(spec, this.#options.kinds);
    if (this.#closing !== null) return;
    const existing = this.#deployments.get(spec.id);
    if (existing === undefined) this.#deployments.set(spec.id, this.#create(spec));
    else existing.apply(spec);
  }

  async remove(id: string, { graceMs, error }: RemoveOptions): Promise<void> {
    const deployment = this.#deployments.get(id);
    if (deployment === undefined) return;
    this.#deployments.delete(id);
    this.#leaving.add(deployment);
    await deployment.close(graceMs, error ?? unavailable(`${id} is being deleted.`));
    this.#leaving.delete(deployment);
  }

  route(request: RouteRequest, signal: AbortSignal): Promise<ReplicaLease> {
    const deployment = this.#deployments.get(request.deployment);
    if (deployment !== undefined) return deployment.route(request, signal);
    return Promise.reject(new AppError("UNAVAILABLE", `No engine serves ${request.deployment} here.`));
  }

  observe(id: string): DeploymentStatus | null {
    return this.#deployments.get(id)?.observe() ?? null;
  }

  diagnostics(id: string): ReplicaDiagnostics[] {
    return this.#deployments.get(id)?.diagnostics() ?? [];
  }

  isOverloaded(id: string): boolean {
    return this.#deployments.get(id)?.isOverloaded ?? false;
  }

  onChange(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): ReplicaStatus[] {
    return this.#all().flatMap((deployment) => deployment.observe().replicas);
  }

  host(): HostStatus {
    return this.#deviceAllocator.status();
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= Promise.all(
      this.#all().map((deployment) => deployment.close(graceMs, unavailable("The server is stopping."))),
    ).then(() => {});
    return this.#closing;
  }

  #all(): Deployment[] {
    return [...this.#deployments.values(), ...this.#leaving];
  }

  #create(spec: DeploymentSpec): Deployment {
    const { log, random = Math.random, coldStartMs = 120_000 } = this.#options;
    return new Deployment(spec, {
      clock: this.#boot.clock,
      random,
      log,
      coldStartMs,
      bootOf: (current) => bootOf(current, this.#boot),
      onChange: () => this.#announce(spec.id),
    });
  }

  /** Announces all changes of one turn of the event loop once. */
  #announce(id: string): void {
    this.#changed.add(id);
    if (this.#changed.size > 1) return;
    queueMicrotask(() => {
      const ids = [...this.#changed];
      this.#changed.clear();
      for (const changed of ids) for (const listener of this.#listeners) listener(changed);
    });
  }
}

function unavailable(message: string): AppError {
  return new AppError("UNAVAILABLE", message, { retryAfterS: RETRY_S });
}
