import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";

const TSX = import.meta.resolve("tsx");
const MAX_HEAP_MB = 256;
/** A process that needs longer to start is given up; the next job starts another. */
const START_TIMEOUT_MS = 30_000;

export interface JobProcessOptions {
  clock: Clock;
  /** The module run in the process; it calls `serveJobs`. */
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

interface QueuedJob<Job, Result> {
  job: Job;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Runs jobs one after the other in a process of its own. A job that takes too long or too much memory ends with the
 * process, and the next one gets a new one. Not a thread: one that is out of memory in the middle of native code takes
 * the whole process along. Jobs and results are structured-clone data.
 */
export class JobProcess<Job, Result> {
  readonly #options: JobProcessOptions;
  readonly #queue: QueuedJob<Job, Result>[] = [];
  #child: ChildProcess | null = null;
  #ready = false;
  #running: QueuedJob<Job, Result> | null = null;
  #cancelTimeout: () => void = () => {};

  constructor(options: JobProcessOptions) {
    this.#options = options;
  }

  /** Starts the process, so that the first job need not wait for it. */
  start(): void {
    if (this.#child !== null) return;
    const child = fork(fileURLToPath(this.#options.entry), [], {
      execArgv: ["--import", TSX, `--max-old-space-size=${MAX_HEAP_MB}`],
      env: {},
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child = child;
    setKeepsProcessAlive(child, false);
    child.on("message", (message: Result | "ready") => {
      if (child !== this.#child) return;
      if (message === "ready") this.#ready = true;
      else this.#finish(message);
      this.#next();
    });
    const lost = () => {
      if (child === this.#child) this.#abandonChild();
    };
    child.on("error", lost);
    child.on("exit", lost);
    this.#cancelTimeout = this.#options.clock.after(START_TIMEOUT_MS, lost);
  }

  /** @throws JobLimitError; AppError UNAVAILABLE when too many jobs wait, or the process can't be started. */
  run(job: Job): Promise<Result> {
    if (this.#queue.length >= this.#options.maxQueued) {
      const message = `${this.#options.work} one after the other, and too many wait; try again later.`;
      return Promise.reject(new AppError("UNAVAILABLE", message, { retryAfterS: 1 }));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.start();
      if (this.#child !== null) setKeepsProcessAlive(this.#child, true);
      this.#next();
    });
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    this.#cancelTimeout();
    const error = new AppError("UNAVAILABLE", "The server is shutting down.");
    for (const queued of [...this.#queue.splice(0), ...(this.#running ? [this.#running] : [])])
      queued.reject(error);
    this.#running = null;
    if (child !== null) await killAndWait(child);
  }

  #next(): void {
    if (!this.#ready || this.#running !== null) return;
    this.#cancelTimeout();
    const queued = this.#queue.shift();
    if (queued === undefined) {
      if (this.#child !== null) setKeepsProcessAlive(this.#child, false);
      return;
    }
    this.#running = queued;
    // A process that just died is told of by its exit.
    this.#child!.send(queued.job as object, () => {});
    this.#cancelTimeout = this.#options.clock.after(this.#options.timeoutMs, () => this.#abandonChild());
  }

  #finish(result: Result): void {
    this.#cancelTimeout();
    const running = this.#running;
    this.#running = null;
    running?.resolve(result);
  }

  /**
   * The process is of no more use. What it ran is at fault: it took too long, or the memory. What waits gets a new
   * process, or fails if none can be started.
   */
  #abandonChild(): void {
    const child = this.#child;
    const started = this.#ready;
    this.#child = null;
    this.#ready = false;
    this.#cancelTimeout();
    child?.kill("SIGKILL");
    this.#running?.reject(new JobLimitError());
    this.#running = null;
    if (!started) {
      const error = new AppError("UNAVAILABLE", "Some of the work can't be done at the moment.");
      for (const queued of this.#queue.splice(0)) queued.reject(error);
    }
    if (this.#queue.length === 0) return;
    this.start();
    setKeepsProcessAlive(this.#child!, true);
  }
}

/** Whether this process goes on running for the child's sake alone. */
function setKeepsProcessAlive(child: ChildProcess, yes: boolean): void {
  const of = yes ? "ref" : "unref";
  child[of]();
  child.channel?.[of]();
}

/** Ends it by force: its work is worth nothing any more. */
function killAndWait(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
