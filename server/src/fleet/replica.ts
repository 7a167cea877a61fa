import { type Engine, requireGeneration } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type { EngineEvent, GenerateRequest } from "../engine/generation.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { type BackoffLimits, backoffMs } from "./backoff.ts";
import { watchHealth } from "./health-watch.ts";
import { type DeploymentMeter, MeteredIterator } from "./metered-iterator.ts";
import type { Accelerators } from "./spec.ts";
import { errorReason, MissingWeightsError } from "./weights/errors.ts";

export type ReplicaState =
  /** Waits for accelerators that other replicas have. */
  | "pending"
  /** This host can't have it as it is: it lacks the accelerators. */
  | "unplaceable"
  | "missing-weights"
  | "starting"
  | "ready"
  /** Its engine, which somebody else runs, doesn't answer. */
  | "unhealthy"
  | "backoff"
  | "stopping"
  | "stopped";

/** How far a replica has come, for people. */
export type ReplicaStage = "pending" | "downloading" | "initializing" | "ready" | "draining";

export interface ReplicaStatus {
  id: string;
  model: string;
  deployment: string;
  /** Of what it runs; see ReplicaOptions. */
  revision: string;
  state: ReplicaState;
  stage: ReplicaStage;
  /** Why the replica isn't ready, safe to show; null when it is. */
  message: string | null;
  /** Generations running on it. */
  outstanding: number;
  /** Starts after the first, since the server started. */
  restarts: number;
  pid: number | null;
  /** What it was given; null: none. */
  accelerators: Accelerators | null;
}

/** An engine that runs. */
export interface RunningEngine {
  engine: Engine;
  pid: number | null;
  /** Resolves when the engine can't be reached any more; never rejects. */
  lost: Promise<void>;
  /** Ends the engine, with force after `graceMs`. Gives the reason of the end. Never rejects. Idempotent. */
  stop(graceMs: number): Promise<string>;
}

/** What a start is doing. */
export interface StartupPhase {
  step: "pending" | "unplaceable" | "downloading" | "initializing";
  /** A public sentence. */
  message: string;
}

/** Brings an engine up; called again after each end. */
export type Boot = (signal: AbortSignal, onPhase: (phase: StartupPhase) => void) => Promise<RunningEngine>;

export interface ReplicaOptions {
  id: string;
  model: string;
  deployment: string;
  /** Of what it runs; two replicas of one revision are alike. */
  revision: string;
  boot: Boot;
  /** What the start gives it. */
  accelerators?: Accelerators | null;
  /** What happens to an engine that doesn't answer: it is started anew or, where somebody else runs it, left alone. */
  whenHung: "restart" | "suspend";
  meter: DeploymentMeter;
  clock: Clock;
  /** 0–1, for the jitter of restarts. */
  random: () => number;
  log: Log;
  /** Called at every change of state or stage. */
  onChange: () => void;
  /** Called when a generation has ended or a reservation was given up: there may be room for another request. */
  onCapacityFreed: () => void;
}

const RESTART = { baseMs: 500, capMs: 30_000 };
const WEIGHTS_RETRY = { baseMs: 5_000, capMs: 60_000 };
/** A replica that was ready this long starts over with short waits. */
const STABLE_MS = 60_000;
const STOP_GRACE_MS = 5_000;
/** Before an engine is killed it gets time: a busy machine answers late. One that is left alone may return any time. */
const HEALTH = {
  restart: { intervalMs: 10_000, maxMisses: 3 },
  suspend: { intervalMs: 5_000, maxMisses: 2 },
};
const STAGES: Readonly<Record<ReplicaState, ReplicaStage>> = {
  pending: "pending",
  unplaceable: "pending",
  "missing-weights": "downloading",
  starting: "initializing",
  ready: "ready",
  unhealthy: "initializing",
  backoff: "initializing",
  stopping: "draining",
  stopped: "draining",
};
const STOPPING = "The replica is being stopped.";
/** How long a request that was given this replica may take until it begins. */
const RESERVATION_MS = 10_000;

/** Keeps one engine running: starts it, watches it, starts it anew with growing waits, for as long as it takes. */
export class Replica {
  readonly id: string;
  readonly revision: string;
  readonly #options: ReplicaOptions;
  readonly #closing = new AbortController();
  #state: ReplicaState = "starting";
  #step: StartupPhase["step"] = "initializing";
  #message: string | null = "The model is starting.";
  #runningEngine: RunningEngine | null = null;
  #isDraining = false;
  #outstanding = 0;
  #load = 0;
  #starts = 0;
  #failures = 0;
  #retryAtMs = 0;
  #wake: () => void = () => {};
  #supervising: Promise<void> | null = null;

  constructor(options: ReplicaOptions) {
    this.id = options.id;
    this.revision = options.revision;
    this.#options = options;
  }

  get state(): ReplicaState {
    return this.#state;
  }

  /** Generations that run on it or were given to it, a request for n choices counted n times. */
  get load(): number {
    return this.#load;
  }

  /** The engine while it runs, else null. */
  get engine(): Engine | null {
    return this.#runningEngine?.engine ?? null;
  }

  /** May be given requests. */
  get isRoutable(): boolean {
    return this.#state === "ready" && !this.#isDraining;
  }

  /** A replica that drains is given no more requests; those that it has go on. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  set isDraining(value: boolean) {
    if (this.#isDraining === value) return;
    this.#isDraining = value;
    this.#options.onChange();
  }

  status(): ReplicaStatus {
    return {
      id: this.id,
      model: this.#options.model,
      deployment: this.#options.deployment,
      revision: this.revision,
      state: this.#state,
      stage: this.#stage(),
      message: this.#message,
      outstanding: this.#outstanding,
      restarts: Math.max(0, this.#starts - 1),
      pid: this.#runningEngine?.pid ?? null,
      accelerators: this.#options.accelerators ?? null,
    };
  }

  /** Why a request can't be served now, and when it is worth asking again. */
  unavailableError(): AppError {
    const waitMs = this.#retryAtMs - this.#options.clock.monotonicMs();
    const retryAfterS = Math.max(1, Math.ceil(waitMs / 1000));
    return new AppError("UNAVAILABLE", this.#message ?? "The model is restarting.", { retryAfterS });
  }

  /** Idempotent. */
  start(): void {
    this.#supervising ??= this.#supervise();
  }

  /** Ends the engine now; generations in flight fail with `unavailable`. Idempotent. */
  async stop(): Promise<void> {
    if (this.#supervising === null) this.#enter("stopped", STOPPING);
    else if (this.#state !== "stopped") this.#enter("stopping", STOPPING);
    this.#closing.abort(new EngineError("unavailable", STOPPING));
    this.#wake();
    await this.#supervising;
  }

  /**
   * Begins one request and counts it as outstanding to its end, however it ends.
   * @throws EngineError `unavailable` when the engine isn't ready: the request has then reached none; `unsupported` when it
   * does not generate text.
   */
  begin(request: GenerateRequest, signal: AbortSignal): AsyncIterator<EngineEvent> {
    if (this.engine === null) throw new EngineError("unavailable", "The model is restarting.");
    const inner = requireGeneration(this.engine).generate(request, signal)[Symbol.asyncIterator]();
    this.#outstanding++;
    this.#load += request.n;
    return new MeteredIterator(inner, this.#options.meter, () => {
      this.#outstanding--;
      this.#load -= request.n;
      this.#options.onCapacityFreed();
    });
  }

  /** Counts a request that was given this replica until it begins or is given up; it can't wait for ever to do so. */
  reserve(): () => void {
    this.#load++;
    let isOver = false;
    const release = () => {
      if (isOver) return;
      isOver = true;
      cancel();
      this.#load--;
      this.#options.onCapacityFreed();
    };
    const cancel = this.#options.clock.after(RESERVATION_MS, release);
    return release;
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#phase({ step: "initializing", message: "The model is starting." });
      this.#starts++;
      try {
        const running = await this.#options.boot(signal, (phase) => this.#phase(phase));
        await this.#serve(running);
      } catch (error) {
        if (!signal.aborted) this.#fail(error);
      }
      if (!signal.aborted) await this.#pause();
    }
    this.#enter("stopped", STOPPING);
  }

  #phase({ step, message }: StartupPhase): void {
    if (this.#closing.signal.aborted) return;
    const isNew = step !== this.#step;
    this.#step = step;
    const isChanged = this.#enter(step === "pending" || step === "unplaceable" ? step : "starting", message);
    if (isNew && !isChanged) this.#options.onChange();
  }

  #stage(): ReplicaStage {
    if (this.#isDraining) return "draining";
    return this.#state === "starting" && this.#step === "downloading" ? "downloading" : STAGES[this.#state];
  }

  /** Returns when the engine has ended. */
  async #serve(running: RunningEngine): Promise<void> {
    const { clock, log } = this.#options;
    const readyAtMs = clock.monotonicMs();
    const closed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (!this.#closing.signal.aborted) {
      this.#runningEngine = running;
      this.#enter("ready", null);
      log.info({ replica: this.id, pid: running.pid }, "replica ready");
      const stopWatching = this.#watch(running);
      await Promise.race([running.lost, closed]);
      stopWatching();
      this.#runningEngine = null;
    }
    if (clock.monotonicMs() - readyAtMs >= STABLE_MS) this.#failures = 0;
    if (!this.#closing.signal.aborted)
      this.#retryAfter(RESTART, "The model's engine stopped; it is being restarted.");
    running.engine
      .close()
      .catch((error) => log.debug({ replica: this.id, reason: errorReason(error) }, "close failed"));
    const reason = await running.stop(STOP_GRACE_MS);
    if (!this.#closing.signal.aborted) log.error({ replica: this.id, reason }, "engine stopped");
  }

  #fail(error: unknown): void {
    const { log } = this.#options;
    if (error instanceof MissingWeightsError) {
      const { path, reasons } = error;
      log.error({ replica: this.id, path, reasons }, "weights missing");
      this.#retryAfter(WEIGHTS_RETRY, error.message);
      return;
    }
    log.error({ replica: this.id, reason: errorReason(error) }, "replica failed to start");
    const isPublic = error instanceof EngineError || error instanceof AppError;
    this.#retryAfter(RESTART, isPublic ? error.message : "The model's engine can't be started.");
  }

  #retryAfter(waits: BackoffLimits, message: string): void {
    const waitMs = backoffMs(++this.#failures, waits, this.#options.random());
    this.#retryAtMs = this.#options.clock.monotonicMs() + waitMs;
    const isOften = waits === RESTART && this.#failures >= 3;
    const attempts = isOften ? ` It failed ${this.#failures} times in a row and is tried again.` : "";
    this.#enter(waits === WEIGHTS_RETRY ? "missing-weights" : "backoff", message + attempts);
  }

  async #pause(): Promise<void> {
    const { clock } = this.#options;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(Math.max(0, this.#retryAtMs - clock.monotonicMs()), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** True when that is another state. */
  #enter(state: ReplicaState, message: string | null): boolean {
    this.#message = message;
    if (this.#state === state) return false;
    this.#state = state;
    this.#options.onChange();
    return true;
  }

  /** The end of an engine that hangs is then handled like any other. */
  #watch(running: RunningEngine): () => void {
    const { clock, log, whenHung } = this.#options;
    return watchHealth({
      clock,
      ...HEALTH[whenHung],
      check: () => running.engine.health(),
      onChange: (isHealthy) => {
        if (this.#runningEngine !== running) return;
        if (isHealthy) {
          this.#enter("ready", null);
          return;
        }
        log.error({ replica: this.id }, "engine does not answer");
        if (whenHung === "restart") void running.stop(0);
        else this.#enter("unhealthy", "The model's server does not answer.");
      },
    });
  }
}
