import { requireGeneration } from "../engine/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import type { ReplicaDiagnostics } from "./failure.ts";
import { DeploymentLoras, type LoraStatus } from "./loras.ts";
import type { DeploymentMeter } from "./metered-iterator.ts";
import { Replica } from "./replica.ts";
import { ReplicaLease, type ReplicaSource } from "./replica-lease.ts";
import { ReplicaSet, type ReplicaTemplate } from "./replica-set.ts";
import { RequestQueue } from "./routing/request-queue.ts";
import { Router, type RoutingHints } from "./routing/router.ts";
import { AutoscalingLoop, type AutoscalingLoopPolicy } from "./scaling/autoscaling-loop.ts";
import type { DeploymentSpec } from "./spec.ts";
import type { Boot, ReplicaStatus } from "./types.ts";

export interface DeploymentOptions {
  clock: Clock;
  random: () => number;
  log: Log;
  /** Longest time a request waits for a replica that can take it. */
  coldStartMs: number;
  bootOf: (spec: DeploymentSpec) => Boot;
  /** Called when the result of `observe` has changed, except for its counts of requests. */
  onChange: () => void;
}

export interface DeploymentStatus {
  /** The number of replicas that the autoscaler or `fixedReplicas` asks for. */
  desiredReplicas: number;
  replicas: ReplicaStatus[];
  /** By the id of the LoRA. */
  loras: Record<string, LoraStatus>;
  /** Wall clock; null when no request has come since this process applied the spec. */
  lastRequestAtMs: number | null;
  /** Why not every desired replica is ready, in public words; null when all are ready. */
  message: string | null;
}

/** Most requests that wait for a replica. */
const MAX_QUEUED = 1000;
const RETRY_S = 5;
/** The deployment is overloaded when its requests are this many times the slots of its replicas. */
const OVERLOAD_FACTOR = 8;
const DEFAULT_CONCURRENCY = 8;
/** Load of an elastic replica, in multiples of its slots. Requests beyond it wait here, where an added replica can take them. */
const QUEUE_FACTOR = 4;
/** Longest time that running work keeps a draining replica alive. */
const DRAIN_GRACE_MS = 600_000;
const NOTHING_RESERVED = () => {};

/** One deployment: its replicas, its autoscaling, its LoRAs, and the routing of its requests. */
export class Deployment implements ReplicaSource {
  readonly #options: DeploymentOptions;
  readonly #set: ReplicaSet;
  readonly #autoscaling: AutoscalingLoop;
  readonly #loras: DeploymentLoras;
  readonly #router = new Router();
  readonly #queue: RequestQueue;
  readonly #meter: DeploymentMeter = { requests: 0, generatedTokens: 0, promptTokens: 0 };
  #spec: DeploymentSpec;
  #template: ReplicaTemplate;
  #isElastic: boolean;
  /** Refuses requests that come or wait after `close`; null while it is open. */
  #closedError: AppError | null = null;

  constructor(spec: DeploymentSpec, options: DeploymentOptions) {
    const { clock } = options;
    this.#spec = spec;
    this.#isElastic = isElastic(spec);
    this.#options = options;
    this.#template = this.#templateOf(spec);
    this.#queue = new RequestQueue(clock, MAX_QUEUED);
    this.#loras = new DeploymentLoras({ ...options, onChange: () => this.#changed() });
    this.#set = new ReplicaSet({
      id: spec.id,
      clock,
      drainGraceMs: DRAIN_GRACE_MS,
      onChange: () => this.#replicasChanged(),
      onCapacityFreed: () => this.#queue.retryAll(),
    });
    this.#autoscaling = new AutoscalingLoop({
      clock,
      policy: policyOf(spec),
      idleMs: Math.max(0, clock.now() - (spec.lastUsedMs ?? clock.now())),
      readLoad: () => ({ ...this.#meter, concurrentRequests: this.#set.load + this.#queue.size }),
      onTargetChange: () => this.#set.setDesired(this.#autoscaling.target, this.#template),
    });
    this.#loras.setDesired(spec.loras);
    this.#set.setDesired(this.#autoscaling.target, this.#template);
  }

  apply(spec: DeploymentSpec): void {
    if (spec.revision !== this.#spec.revision) {
      this.#template = this.#templateOf(spec);
      this.#loras.resetFailures();
    }
    this.#spec = spec;
    this.#isElastic = isElastic(spec);
    this.#autoscaling.policy = policyOf(spec);
    // A new LoRA wakes a deployment that was scaled to zero, so that a broken file shows before a request needs it.
    if (this.#loras.setDesired(spec.loras)) this.#autoscaling.recordRequest();
    this.#set.setDesired(this.#autoscaling.target, this.#template);
  }

  /**
   * Leases a replica to the request: at once, or when a replica has room for it within `coldStartMs`.
   * @throws AppError UNAVAILABLE with `retryAfterS`; FAILED_PRECONDITION when the LoRA can't be loaded; the signal's reason.
   */
  route(hints: RoutingHints, signal: AbortSignal): Promise<ReplicaLease> {
    if (this.#closedError === null) {
      this.#meter.requests++;
      this.#autoscaling.recordRequest();
    }
    return this.reroute(hints, signal);
  }

  async reroute(hints: RoutingHints, signal: AbortSignal): Promise<ReplicaLease> {
    signal.throwIfAborted();
    const routed = this.#lease(hints);
    if (routed !== null) return routed;
    const unavailable = () => this.#unavailable(hints);
    if (this.#queue.isFull) throw unavailable();
    const claim = () => this.#lease(hints);
    return this.#queue.enqueue(claim, this.#options.coldStartMs, signal, unavailable, hints.priority);
  }

  pick(hints: RoutingHints): Replica | null {
    const { routable } = this.#set;
    const { lora } = hints;
    const limit = this.#isElastic ? QUEUE_FACTOR * concurrencyOf(this.#spec) : Number.POSITIVE_INFINITY;
    // Fast path: most deployments have one replica.
    if (routable.length === 1 && lora === undefined) {
      return routable[0]!.load < limit ? routable[0]! : null;
    }
    const fit = routable.filter(
      ({ load, engine }) => load < limit && (lora === undefined || this.#loras.isLoaded(engine!, lora)),
    );
    if (fit.length === 0) return null;
    const { sessionAffinity } = this.#spec;
    return this.#router.pick(fit, hints, { slots: concurrencyOf(this.#spec), sessionAffinity });
  }

  observe(): DeploymentStatus {
    const { clock } = this.#options;
    const idleMs = clock.monotonicMs() - this.#autoscaling.lastUsedMs;
    return {
      desiredReplicas: this.#autoscaling.target,
      replicas: this.#set.status(),
      loras: this.#loras.statuses(),
      lastRequestAtMs: this.#meter.requests === 0 ? null : clock.now() - idleMs,
      message: this.#problem(),
    };
  }

  /** The last failure of each replica that has one; for the operator only. */
  diagnostics(): ReplicaDiagnostics[] {
    return this.#set.diagnostics();
  }

  /** Whether a new request waits for long. Always false for a server whose concurrency is not known. */
  get isOverloaded(): boolean {
    if (this.#spec.concurrency === undefined && !("kind" in this.#spec.engine)) return false;
    const slots = concurrencyOf(this.#spec) * Math.max(1, this.#set.routable.length);
    return this.#set.load + this.#queue.size >= OVERLOAD_FACTOR * slots;
  }

  /**
   * Refuses new and waiting requests with the error, and lets running ones finish within `graceMs`. Resolves once no replica
   * is left. Idempotent.
   */
  async close(graceMs: number, error: AppError): Promise<void> {
    this.#closedError ??= error;
    this.#autoscaling.stop();
    this.#queue.retryAll();
    await this.#set.close(graceMs);
    this.#loras.close();
  }

  /** Reserves a replica for a request. Null when the request may wait for one. @throws AppError when no replica will come. */
  #lease(hints: RoutingHints): ReplicaLease | null {
    this.#assertOpen();
    if (hints.lora !== undefined) this.#loras.assertAvailable(hints.lora);
    const replica = this.pick(hints);
    if (replica !== null) {
      // Check this before the reservation: a failure would leave the reservation in place until it times out.
      requireGeneration(replica.engine!);
      const release = this.#isElastic ? replica.reserve() : NOTHING_RESERVED;
      return new ReplicaLease(this, hints, replica, release);
    }
    if (this.#set.routable.length > 0 || this.#starting() !== undefined) return null;
    throw this.#unavailable(hints);
  }

  #assertOpen(): void {
    if (this.#closedError !== null) throw this.#closedError;
  }

  #starting(): Replica | undefined {
    return this.#set.live.find((replica) => replica.state === "starting");
  }

  /** Why no replica takes the request; of several that are down, the reason of the one that starts first. */
  #unavailable({ lora }: RoutingHints): AppError {
    const { id } = this.#spec;
    const later = (message: string) => new AppError("UNAVAILABLE", message, { retryAfterS: RETRY_S });
    const { routable, live } = this.#set;
    if (lora !== undefined && !routable.some(({ engine }) => this.#loras.isLoaded(engine!, lora)))
      return later(`${lora} is still being loaded.`);
    if (routable.length > 0) return later(`${id} has all the requests it can take.`);
    const starting = this.#starting();
    if (starting !== undefined) return later(`${id} is not ready yet. ${starting.status().message}`);
    if (live.length === 0) return later(`${id} has no replicas.`);
    const errors = live.map((replica) => replica.unavailableError());
    return errors.reduce((soonest, error) => (error.retryAfterS! < soonest.retryAfterS! ? error : soonest));
  }

  #problem(): string | null {
    const missing = this.#set.live.filter((replica) => replica.state !== "ready");
    const worst = missing.find((replica) => replica.state !== "starting") ?? missing[0];
    return worst?.status().message ?? null;
  }

  #replicasChanged(): void {
    this.#loras.setEngines(this.#set.routable.map(({ engine }) => engine!));
    this.#changed();
  }

  #changed(): void {
    this.#queue.retryAll();
    this.#options.onChange();
  }

  #templateOf(spec: DeploymentSpec): ReplicaTemplate {
    const { bootOf, clock, random, log } = this.#options;
    const boot = bootOf(spec);
    const { id: deployment, model, revision, accelerators = null } = spec;
    const whenHung = "attach" in spec.engine ? "suspend" : "restart";
    const meter = this.#meter;
    return {
      revision,
      create: (id, onChange, onCapacityFreed) =>
        new Replica({
          id,
          deployment,
          model,
          revision,
          boot,
          whenHung,
          meter,
          clock,
          random,
          log,
          accelerators,
          onChange,
          onCapacityFreed,
        }),
    };
  }
}

function concurrencyOf(spec: DeploymentSpec): number {
  return spec.concurrency ?? DEFAULT_CONCURRENCY;
}

/** Whether the number of its replicas may change. */
function isElastic(spec: DeploymentSpec): boolean {
  return !("attach" in spec.engine) && (spec.maxReplicas > 1 || spec.minReplicas === 0);
}

function policyOf(spec: DeploymentSpec): AutoscalingLoopPolicy {
  const { minReplicas, maxReplicas, fixedReplicas, scaling } = spec;
  return { minReplicas, maxReplicas, fixedReplicas, ...scaling, concurrency: concurrencyOf(spec) };
}
