import { type Engine, EngineError, type EngineEvent, type GenerateRequest } from "../engine/port.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../lib/errors.ts";
import type { Log } from "../platform/telemetry/log.ts";
import { MissingWeightsError, reasonOf } from "./weights/errors.ts";

export type ReplicaState = "missing-weights" | "starting" | "ready" | "backoff" | "stopping" | "stopped";

export interface ReplicaStatus {
  id: string;
  model: string;
  state: ReplicaState;
  /** Why the replica isn't ready, safe to show; null when it is. */
  message: string | null;
  /** Generations running on it. */
  outstanding: number;
  /** Starts after the first, since the server started. */
  restarts: number;
  pid: number | null;
}

/** An engine that runs. */
export interface Running {
  engine: Engine;
  pid: number | null;
  /** Resolves when the engine can't be reached any more; never rejects. */
  lost: Promise<void>;
  /** Ends the engine, with force after `graceMs`. Gives the reason of the end. Never rejects. Idempotent. */
  stop(graceMs: number): Promise<string>;
}

/** Brings an engine up; called again after each end. `onPhase` tells in a public sentence what it is doing. */
export type Boot = (signal: AbortSignal, onPhase: (message: string) => void) => Promise<Running>;

export interface ReplicaOptions {
  id: string;
  model: string;
  boot: Boot;
  /** An engine that doesn't answer for long is stopped and started anew. Not for engines that somebody else runs. */
  watchHealth: boolean;
  clock: Clock;
  /** 0–1, for the jitter of restarts. */
  random: () => number;
  log: Log;
  /** Called at every change of state and when the last generation has ended. */
  onChange: () => void;
}

const RESTART = { baseMs: 500, capMs: 30_000 };
const WEIGHTS_RETRY = { baseMs: 5_000, capMs: 60_000 };
/** A replica that was ready this long starts over with short waits. */
const STABLE_MS = 60_000;
const STOP_GRACE_MS = 5_000;
const HEALTH_INTERVAL_MS = 10_000;
/** Checks without an answer after which an engine counts as hung: generous, for a busy machine answers late. */
const MAX_HEALTH_MISSES = 3;

/** Wait before attempt `failures` + 1: doubling from `baseMs` to `capMs`, of that 50–100 % by chance. */
export function backoffMs(failures: number, { baseMs, capMs }: typeof RESTART, random: number): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30)) * (0.5 + random / 2);
}

/** Keeps one engine running: starts it, watches it, starts it anew with growing waits, for as long as it takes. */
export class Replica {
  readonly id: string;
  readonly #options: ReplicaOptions;
  readonly #closing = new AbortController();
  #state: ReplicaState = "starting";
  #message: string | null = "The model is starting.";
  #running: Running | null = null;
  #outstanding = 0;
  #starts = 0;
  #failures = 0;
  #retryAtMs = 0;
  #wake: () => void = () => {};
  #supervising: Promise<void> | null = null;

  constructor(options: ReplicaOptions) {
    this.id = options.id;
    this.#options = options;
  }

  get state(): ReplicaState {
    return this.#state;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** The engine while it is ready, else null. */
  get engine(): Engine | null {
    return this.#running?.engine ?? null;
  }

  status(): ReplicaStatus {
    return {
      id: this.id,
      model: this.#options.model,
      state: this.#state,
      message: this.#message,
      outstanding: this.#outstanding,
      restarts: Math.max(0, this.#starts - 1),
      pid: this.#running?.pid ?? null,
    };
  }

  /** Why a request can't be served now, and when it is worth asking again. */
  unavailable(): AppError {
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
    if (this.#supervising === null) this.#enter("stopped", "The server is stopping.");
    else if (this.#state !== "stopped") this.#enter("stopping", "The server is stopping.");
    this.#closing.abort(new EngineError("unavailable", "The server is stopping."));
    this.#wake();
    await this.#supervising;
  }

  /**
   * Begins one request and counts it as outstanding to its end, however it ends.
   * @throws EngineError `unavailable` when the engine isn't ready: the request has then reached none.
   */
  begin(request: GenerateRequest, signal: AbortSignal): AsyncIterator<EngineEvent> {
    if (this.engine === null) throw new EngineError("unavailable", "The model is restarting.");
    const inner = this.engine.generate(request, signal)[Symbol.asyncIterator]();
    this.#outstanding++;
    return new Released(inner, () => {
      if (--this.#outstanding === 0) this.#options.onChange();
    });
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#enter("starting", "The model is starting.");
      this.#starts++;
      try {
        const running = await this.#options.boot(signal, (message) => {
          if (this.#state === "starting") this.#message = message;
        });
        await this.#serve(running);
      } catch (error) {
        if (!signal.aborted) this.#fail(error);
      }
      if (!signal.aborted) await this.#pause();
    }
    this.#enter("stopped", "The server is stopping.");
  }

  /** Returns when the engine has ended. */
  async #serve(running: Running): Promise<void> {
    const { clock, log } = this.#options;
    const readyAtMs = clock.monotonicMs();
    const closed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (!this.#closing.signal.aborted) {
      this.#running = running;
      this.#enter("ready", null);
      log.info({ replica: this.id, pid: running.pid }, "replica ready");
      const stopWatching = this.#options.watchHealth ? this.#watch(running) : () => {};
      await Promise.race([running.lost, closed]);
      stopWatching();
      this.#running = null;
    }
    if (clock.monotonicMs() - readyAtMs >= STABLE_MS) this.#failures = 0;
    if (!this.#closing.signal.aborted)
      this.#retryAfter(RESTART, "The model's engine stopped; it is being restarted.");
    running.engine
      .close()
      .catch((error) => log.debug({ replica: this.id, reason: reasonOf(error) }, "close failed"));
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
    log.error({ replica: this.id, reason: reasonOf(error) }, "replica failed to start");
    const isPublic = error instanceof EngineError || error instanceof AppError;
    this.#retryAfter(RESTART, isPublic ? error.message : "The model's engine can't be started.");
  }

  #retryAfter(waits: typeof RESTART, message: string): void {
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

  #enter(state: ReplicaState, message: string | null): void {
    this.#message = message;
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onChange();
  }

  /** Stops an engine that leaves several checks unanswered; its end is then handled like any other. */
  #watch(running: Running): () => void {
    const { clock, log } = this.#options;
    let isAnswered = true;
    let misses = 0;
    let cancel = () => {};
    const check = () => {
      misses = isAnswered ? 0 : misses + 1;
      if (misses >= MAX_HEALTH_MISSES) {
        log.error({ replica: this.id }, "engine does not answer");
        void running.stop(0);
        return;
      }
      isAnswered = false;
      running.engine.health().then(
        () => {
          isAnswered = true;
        },
        () => {},
      );
      cancel = clock.after(HEALTH_INTERVAL_MS, check);
    };
    cancel = clock.after(HEALTH_INTERVAL_MS, check);
    return () => cancel();
  }
}

/**
 * The same iterator, calling `onEnd` once when it is exhausted, left or broken. A class, because a generator or closures
 * of its own would make every token dearer.
 */
class Released<T> implements AsyncIterator<T> {
  readonly #inner: AsyncIterator<T>;
  readonly #onEnd: () => void;
  #isOver = false;

  constructor(inner: AsyncIterator<T>, onEnd: () => void) {
    this.#inner = inner;
    this.#onEnd = onEnd;
  }

  async next(): Promise<IteratorResult<T>> {
    try {
      const result = await this.#inner.next();
      if (result.done) this.#release();
      return result;
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  async return(value?: unknown): Promise<IteratorResult<T>> {
    try {
      return (await this.#inner.return?.(value)) ?? { done: true, value };
    } finally {
      this.#release();
    }
  }

  #release(): void {
    if (!this.#isOver) this.#onEnd();
    this.#isOver = true;
  }
}
