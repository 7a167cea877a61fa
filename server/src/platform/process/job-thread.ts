import { Worker } from "node:worker_threads";
import type { Clock } from "../../lib/clock.ts";
import { AppError, toAppError } from "../../lib/errors.ts";
import { threadEntry } from "../../lib/thread-entry.ts";

const MAX_HEAP_MB = 256;
/** A thread that needs longer to start is given up; the next job starts another. */
const START_TIMEOUT_MS = 30_000;

export interface JobThreadOptions {
  clock: Clock;
  /** The module run in the thread: posts "ready" once, then answers each message, in order, with one. */
  entry: URL;
  /** What the jobs do, for public messages: "Schemas are compiled". */
  work: string;
  /** For one job, from when it begins. */
  timeoutMs: number;
  /** Jobs waiting for their turn. */
  maxQueued: number;
}

/** A job took more time or memory than it may. */
export class JobLimitError extends Error {}

interface Queued<Job, Result> {
  job: Job;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Runs jobs one after the other in a thread of its own. A job that takes too long or too much memory ends with the
 * thread, and the next one gets a new thread. The thread keeps no process alive.
 */
export class JobThread<Job, Result> {
  readonly #options: JobThreadOptions;
  readonly #queue: Queued<Job, Result>[] = [];
  #worker: Worker | null = null;
  #ready = false;
  #running: Queued<Job, Result> | null = null;
  #cancelTimeout: () => void = () => {};

  constructor(options: JobThreadOptions) {
    this.#options = options;
  }

  /** Starts the thread, so that the first job need not wait for it. */
  start(): void {
    if (this.#worker !== null) return;
    const worker = new Worker(threadEntry(this.#options.entry), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
      env: {},
    });
    this.#worker = worker;
    worker.unref();
    worker.on("message", (message: Result | "ready") => {
      if (worker !== this.#worker) return;
      if (message === "ready") this.#ready = true;
      else this.#finish(message);
      this.#next();
    });
    worker.on("error", (error) => {
      if (worker === this.#worker) this.#lose(error);
    });
    worker.on("exit", () => {
      if (worker === this.#worker) this.#lose(new Error("the thread ended"));
    });
    this.#cancelTimeout = this.#options.clock.after(START_TIMEOUT_MS, () =>
      this.#lose(new Error("the thread did not start")),
    );
  }

  /** @throws JobLimitError; AppError UNAVAILABLE when too many jobs wait, or the thread cannot be started. */
  run(job: Job): Promise<Result> {
    if (this.#queue.length >= this.#options.maxQueued) {
      const message = `${this.#options.work} one after the other, and too many wait; try again later.`;
      return Promise.reject(new AppError("UNAVAILABLE", message, { retryAfterS: 1 }));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.start();
      this.#worker?.ref();
      this.#next();
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#cancelTimeout();
    const error = new AppError("UNAVAILABLE", "The server is shutting down.");
    for (const queued of [...this.#queue.splice(0), ...(this.#running ? [this.#running] : [])])
      queued.reject(error);
    this.#running = null;
    await worker?.terminate();
  }

  #next(): void {
    if (!this.#ready || this.#running !== null) return;
    this.#cancelTimeout();
    const queued = this.#queue.shift();
    if (queued === undefined) {
      this.#worker?.unref();
      return;
    }
    this.#running = queued;
    this.#worker!.postMessage(queued.job);
    this.#cancelTimeout = this.#options.clock.after(this.#options.timeoutMs, () => this.#lose(null));
  }

  #finish(result: Result): void {
    this.#cancelTimeout();
    const running = this.#running;
    this.#running = null;
    running?.resolve(result);
  }

  /** Too much time or memory is the job's fault, anything else ours. */
  #fail(running: Queued<Job, Result>, cause: Error | null): void {
    const code = cause === null ? undefined : (cause as NodeJS.ErrnoException).code;
    const isTooMuch = cause === null || code === "ERR_WORKER_OUT_OF_MEMORY" || cause instanceof RangeError;
    this.#running = null;
    running.reject(isTooMuch ? new JobLimitError() : toAppError(cause));
  }

  /** The thread is of no more use. What it ran is refused; what waits gets a new thread, or fails if none can start. */
  #lose(cause: Error | null): void {
    const worker = this.#worker;
    const started = this.#ready;
    this.#worker = null;
    this.#ready = false;
    this.#cancelTimeout();
    void worker?.terminate();
    if (this.#running !== null) this.#fail(this.#running, cause);
    if (!started) {
      const error = new AppError("UNAVAILABLE", "Some of the work can't be done at the moment.", { cause });
      for (const queued of this.#queue.splice(0)) queued.reject(error);
    }
    if (this.#queue.length === 0) return;
    this.start();
    this.#worker!.ref();
  }
}
