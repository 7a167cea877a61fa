import { type Engine, requireGeneration } from "../engine/engine.ts";
import { EngineError } from "../engine/errors.ts";
import type { EngineEvent, GenerateRequest } from "../engine/generation.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { type BackoffLimits, backoffMs } from "./backoff.ts";
import { EngineStartError, publicMessage, type ReplicaDiagnostics, type ReplicaFailure } from "./failure.ts";
import { watchHealth } from "./health-watch.ts";
import { describeExit, describeExitPublicly, type ProcessExit } from "./launchers/process-exit.ts";
import { type DeploymentMeter, MeteredIterator, type ReplicaProgress } from "./metered-iterator.ts";
import type { Accelerators } from "./spec.ts";
import type {
  Boot,
  ReplicaStage,
  ReplicaState,
  ReplicaStatus,
  RunningEngine,
  StartupPhase,
} from "./types.ts";
import { errorReason, MissingWeightsError } from "./weights/errors.ts";

export interface ReplicaOptions {
  id: string;
  model: string;
  deployment: string;
  /** Identifies the replica's model and options: replicas of one revision are interchangeable. */
  revision: string;
  boot: Boot;
  /** Accelerators that each start acquires for the replica; null or absent: none. */
  accelerators?: Accelerators | null;
  /**
   * Treatment of an engine that doesn't answer: "restart" ends it, "suspend" fails its work and sends it no requests until
   * it answers.
   */
  whenHung: "restart" | "suspend";
  meter: DeploymentMeter;
  clock: Clock;
  /** 0–1, for the jitter of restarts. */
  random: () => number;
  log: Log;
  /** Called at every change of state or stage. */
  onChange: () => void;
  /** Called when work has ended or a reservation was given up: there may be room for another request. */
  onCapacityFreed: () => void;
}

const RESTART = { baseMs: 500, capMs: 30_000 };
const WEIGHTS_RETRY = { baseMs: 5_000, capMs: 60_000 };
/** A replica that was ready this long counts as stable: its last failure is forgotten and waits are short again. */
const STABLE_MS = 60_000;
const STOP_GRACE_MS = 5_000;
/** Only a change of the deployment or the host helps an unplaceable replica. */
const UNPLACEABLE_RETRY_S = 60;
/** See `watchHealth`. */
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
/** States in which the last failure explains why the replica is not ready. */
const RETRYING: ReadonlySet<ReplicaState> = new Set([
  "pending",
  "unplaceable",
  "missing-weights",
  "starting",
  "backoff",
]);
const STOPPING = "The replica is being stopped.";
/** Longest time that a reservation counts as load when its request never begins. */
const RESERVATION_MS = 10_000;

/** The failure that a replica keeps, with details that only the operator may see. */
interface KeptFailure extends ReplicaFailure {
  outputTail: readonly string[];
  isMissingWeights: boolean;
}

/** Supervises one engine: starts it, checks its health, and restarts it with exponential backoff until it is stopped. */
export class Replica {
  readonly id: string;
  readonly revision: string;
  readonly #options: ReplicaOptions;
  readonly #closing = new AbortController();
  #state: ReplicaState = "starting";
  #step: StartupPhase["step"] = "initializing";
  /** The current activity as a public sentence; null when the replica is ready. The public message adds the last failure. */
  #activity: string | null = "The model is starting.";
  /** The same for requests, which may be another account's. */
  #requestActivity: string | null = this.#activity;
  #lastFailure: KeptFailure | null = null;
  #runningEngine: RunningEngine | null = null;
  #isDraining = false;
  #outstanding = 0;
  #load = 0;
  readonly #progress: ReplicaProgress = { events: 0 };
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

  /** The cost of the work that runs on it or was given to it; a generation of n choices costs n. */
  get load(): number {
    return this.#load;
  }

  /** The engine while it runs, else null. */
  get engine(): Engine | null {
    return this.#runningEngine?.engine ?? null;
  }

  /** Whether requests may be given to it. */
  get isRoutable(): boolean {
    return this.#state === "ready" && !this.#isDraining;
  }

  /** A draining replica is given no more requests; requests that run on it go on. */
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
      message: this.#message(),
      lastFailure: this.#publicFailure(),
      outstanding: this.#outstanding,
      restarts: Math.max(0, this.#starts - 1),
      failures: this.#failures,
      pid: this.#runningEngine?.pid ?? null,
      accelerators: this.#options.accelerators ?? null,
    };
  }

  /** The last failure with the output of its process, for the operator only; null: none. */
  diagnostics(): ReplicaDiagnostics | null {
    const failure = this.#publicFailure();
    if (failure === null) return null;
    return { ...failure, replica: this.id, outputTail: this.#lastFailure!.outputTail };
  }

  /**
   * Why a request can't be served now, without what the host has. `retryAfterS` is the time until the next start, 60 for a
   * replica that the host can never run.
   */
  unavailableError(): AppError {
    const waitMs = this.#retryAtMs - this.#options.clock.monotonicMs();
    const isUnplaceable = this.#state === "unplaceable";
    const retryAfterS = isUnplaceable ? UNPLACEABLE_RETRY_S : Math.max(1, Math.ceil(waitMs / 1000));
    return new AppError("UNAVAILABLE", this.#requestMessage(), { retryAfterS });
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
   * Runs work on the engine and counts it to its end, however it ends: as one outstanding piece of work, and with
   * `cost` as load. The work ends when `work` throws, when the promise that it returns settles, or when it calls `end`.
   * @param work Returns a promise, or any value when it calls `end` itself.
   * @throws EngineError `unavailable` when the engine isn't ready: nothing has reached an engine then.
   */
  run<T>(cost: number, work: (engine: Engine, end: () => void) => T): T {
    const { engine } = this;
    if (engine === null) throw new EngineError("unavailable", this.#requestMessage());
    this.#outstanding++;
    this.#load += cost;
    let hasEnded = false;
    const end = () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#outstanding--;
      this.#load -= cost;
      this.#options.onCapacityFreed();
    };
    try {
      const result = work(engine, end);
      if (result instanceof Promise) result.then(end, end);
      return result;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Begins one generation. @throws EngineError as `run`; `unsupported` when the engine does not generate text. */
  begin(request: GenerateRequest, signal: AbortSignal): AsyncIterator<EngineEvent> {
    return this.run(request.n, (engine, end) => {
      const events = requireGeneration(engine).generate(request, signal)[Symbol.asyncIterator]();
      return new MeteredIterator(events, {
        meter: this.#options.meter,
        progress: this.#progress,
        onEnd: end,
      });
    });
  }

  /** Counts a request as load until the returned function is called, at most 10 seconds. */
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

  #phase({ step, message, requestMessage = message }: StartupPhase): void {
    if (this.#closing.signal.aborted) return;
    const isNew = step !== this.#step;
    this.#step = step;
    const state = step === "pending" || step === "unplaceable" ? step : "starting";
    const isChanged = this.#enter(state, message, requestMessage);
    if (isNew && !isChanged) this.#options.onChange();
  }

  #stage(): ReplicaStage {
    if (this.#isDraining) return "draining";
    return this.#state === "starting" && this.#step === "downloading" ? "downloading" : STAGES[this.#state];
  }

  /** The current activity and, until the replica is ready, the reason of its last failure. */
  #message(activity = this.#activity): string | null {
    const failure = this.#lastFailure;
    if (failure === null || activity === null || !RETRYING.has(this.#state)) return activity;
    if (this.#step !== "initializing" && this.#state !== "missing-weights" && this.#state !== "backoff") {
      return `${activity} Last failure: ${failure.message}`;
    }
    // The message of missing weights is an instruction that stands for itself.
    if (failure.isMissingWeights) return failure.message;
    const count = this.#failures >= 3 ? ` It failed ${this.#failures} times in a row.` : "";
    return `Starting again; last failure: ${failure.message}${count}`;
  }

  #requestMessage(): string {
    return this.#message(this.#requestActivity) ?? "The model is restarting.";
  }

  #publicFailure(): ReplicaFailure | null {
    if (this.#lastFailure === null) return null;
    const { message, exitCode, signal, atMs } = this.#lastFailure;
    return { message, exitCode, signal, atMs };
  }

  /** Returns when the engine has ended. */
  async #serve(running: RunningEngine): Promise<void> {
    const { clock, log, deployment, onChange } = this.#options;
    const closed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    let isHung = false;
    if (!this.#closing.signal.aborted) {
      this.#runningEngine = running;
      this.#enter("ready", null);
      log.info({ replica: this.id, pid: running.pid }, "replica ready");
      const stopWatching = this.#watch(running, () => {
        isHung = true;
      });
      const cancelStable = clock.after(STABLE_MS, () => {
        this.#failures = 0;
        if (this.#lastFailure === null) return;
        this.#lastFailure = null;
        onChange();
      });
      await Promise.race([running.lost, closed]);
      stopWatching();
      cancelStable();
      this.#runningEngine = null;
    }
    const isCrash = !this.#closing.signal.aborted;
    const failed = isHung ? "The model's engine did not answer and was stopped" : "The model's engine ended";
    if (isCrash) this.#retryAfter(RESTART, this.#failure(`${failed}.`, null, running.outputTail()));
    running.engine
      .close()
      .catch((error) => log.debug({ replica: this.id, reason: errorReason(error) }, "close failed"));
    const exit = await running.stop(STOP_GRACE_MS);
    if (!isCrash) return;
    const outputTail = running.outputTail();
    log.error(
      { replica: this.id, deployment, reason: exit && describeExit(exit), tail: outputTail },
      "engine stopped",
    );
    if (exit === null || this.#closing.signal.aborted) return;
    // SIGKILL is how the platform itself ends an engine that doesn't answer.
    const detail = isHung ? "" : ` (${describeExitPublicly(exit)})`;
    this.#lastFailure = this.#failure(`${failed}${detail}.`, exit, outputTail);
    onChange();
  }

  #fail(error: unknown): void {
    const { log, deployment } = this.#options;
    if (error instanceof MissingWeightsError) {
      const { path, reasons } = error;
      log.error({ replica: this.id, path, reasons }, "weights missing");
      this.#retryAfter(WEIGHTS_RETRY, {
        ...this.#failure(error.message, null, []),
        isMissingWeights: true,
      });
      return;
    }
    const { exit, outputTail } =
      error instanceof EngineStartError ? error : { exit: null, outputTail: [] as const };
    log.error(
      { replica: this.id, deployment, reason: errorReason(error), exit, tail: outputTail },
      "replica failed to start",
    );
    const message = publicMessage(error, "The model's engine can't be started.");
    this.#retryAfter(RESTART, this.#failure(message, exit, outputTail));
  }

  #failure(message: string, exit: ProcessExit | null, outputTail: readonly string[]): KeptFailure {
    return {
      message,
      exitCode: exit?.exitCode ?? null,
      signal: exit?.signal ?? null,
      atMs: this.#options.clock.now(),
      outputTail,
      isMissingWeights: false,
    };
  }

  #retryAfter(waits: BackoffLimits, failure: KeptFailure): void {
    const waitMs = backoffMs(++this.#failures, waits, this.#options.random());
    this.#retryAtMs = this.#options.clock.monotonicMs() + waitMs;
    this.#lastFailure = failure;
    this.#enter(failure.isMissingWeights ? "missing-weights" : "backoff", failure.message);
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

  /** Returns whether the state has changed. */
  #enter(state: ReplicaState, activity: string | null, requestActivity = activity): boolean {
    this.#activity = activity;
    this.#requestActivity = requestActivity;
    if (this.#state === state) return false;
    this.#state = state;
    this.#options.onChange();
    return true;
  }

  /** Ends an engine that doesn't answer, so that `#serve` restarts it, or marks it as unhealthy: see `whenHung`. */
  #watch(running: RunningEngine, onHung: () => void): () => void {
    const { clock, log, whenHung } = this.#options;
    let eventsAtCheck = this.#progress.events;
    return watchHealth({
      clock,
      ...HEALTH[whenHung],
      check: () => running.engine.health(),
      hasProgressed: () => {
        const { events } = this.#progress;
        const hasProgressed = events !== eventsAtCheck;
        eventsAtCheck = events;
        return hasProgressed;
      },
      readUse: () => running.readUse?.() ?? null,
      onChange: (isHealthy) => {
        if (this.#runningEngine !== running) return;
        if (isHealthy) {
          this.#enter("ready", null);
          return;
        }
        log.error({ replica: this.id }, "engine does not answer");
        onHung();
        if (whenHung === "restart") void running.stop(0);
        else {
          const message = "The model's server does not answer.";
          this.#enter("unhealthy", message);
          running.engine.failWork?.(new EngineError("unavailable", message));
        }
      },
    });
  }
}
