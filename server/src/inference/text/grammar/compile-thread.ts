import { Worker } from "node:worker_threads";
import type { Clock } from "../../../lib/clock.ts";
import { AppError, toAppError } from "../../../lib/errors.ts";
import { type CompileJob, type CompileResult, tooComplex } from "./compile-job.ts";

/** Node loads no TypeScript in a thread by `--import tsx`: tsx registers itself only in the main one. */
const BOOT = `
  import { register } from ${JSON.stringify(import.meta.resolve("tsx/esm/api"))};
  register();
  await import(${JSON.stringify(new URL("./compile-worker.ts", import.meta.url).href)});
`;
const ENTRY = new URL(`data:text/javascript,${encodeURIComponent(BOOT)}`);
const MAX_HEAP_MB = 256;
/** A thread that needs longer to start is given up; the next job starts another. */
const START_TIMEOUT_MS = 30_000;

export interface CompileThreadOptions {
  clock: Clock;
  /** For one job, from when it begins. */
  timeoutMs: number;
  /** Jobs waiting for their turn. */
  maxQueued: number;
}

interface Queued {
  job: CompileJob;
  resolve(result: CompileResult): void;
  reject(error: unknown): void;
}

/**
 * Runs jobs one after the other in a thread of its own. A job that takes too long or too much memory ends with the
 * thread, and the next one gets a new thread. The thread keeps no process alive.
 */
export class CompileThread {
  readonly #options: CompileThreadOptions;
  readonly #queue: Queued[] = [];
  #worker: Worker | null = null;
  #ready = false;
  #running: Queued | null = null;
  #cancelTimeout: () => void = () => {};

  constructor(options: CompileThreadOptions) {
    this.#options = options;
  }

  /** Starts the thread, so that the first job need not wait for it. */
  start(): void {
    if (this.#worker !== null) return;
    const worker = new Worker(ENTRY, {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
      env: {},
    });
    this.#worker = worker;
    worker.unref();
    worker.on("message", (message: CompileResult | "ready") => {
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

  /** @throws AppError UNAVAILABLE when too many jobs wait, or the thread cannot be started. */
  run(job: CompileJob): Promise<CompileResult> {
    if (this.#queue.length >= this.#options.maxQueued) {
      const message = "Too many schemas are being compiled; try again later.";
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

  #finish(result: CompileResult): void {
    this.#cancelTimeout();
    const running = this.#running;
    this.#running = null;
    running?.resolve(result);
  }

  /** Too much time or memory is the job's fault, anything else ours. */
  #fail(running: Queued, cause: Error | null): void {
    const code = cause === null ? undefined : (cause as NodeJS.ErrnoException).code;
    if (cause === null || code === "ERR_WORKER_OUT_OF_MEMORY" || cause instanceof RangeError) {
      this.#finish(tooComplex(running.job.kind));
      return;
    }
    this.#running = null;
    running.reject(toAppError(cause));
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
      const error = new AppError("UNAVAILABLE", "Schemas cannot be compiled at the moment.", { cause });
      for (const queued of this.#queue.splice(0)) queued.reject(error);
    }
    if (this.#queue.length === 0) return;
    this.start();
    this.#worker!.ref();
  }
}
