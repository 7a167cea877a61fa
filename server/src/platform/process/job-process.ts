import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";

const TSX = import.meta.resolve("tsx");
const MAX_HEAP_MB = 256;
/** A process that takes longer to start is killed, and another is started. */
const START_TIMEOUT_MS = 30_000;
/** Starts that may fail one after the other; then the waiting jobs fail. */
const MAX_FAILED_STARTS = 3;
/** A job may take this many times its CPU time by the clock: a busy machine is slow, but a process may also hang. */
const CLOCK_FACTOR = 30;

export interface JobProcessOptions {
  clock: Clock;
  /** The module that runs in the process; it must call `serveJobs`. */
  entry: URL;
  /** The jobs' work as a clause, for public error messages: "Schemas are compiled". */
  work: string;
  /** Limit on the CPU time of one job. A limit by the clock would refuse jobs because others keep the machine busy. */
  cpuLimitMs: number;
  /** Most jobs that may wait. */
  maxQueued: number;
}

/** A job exceeded its limit on CPU time or memory. */
export class JobLimitError extends Error {}

interface QueuedJob<Job, Result> {
  job: Job;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Runs jobs one after the other in a child process. A job that exceeds its limit on CPU time or memory is killed with the
 * process, and the next job gets a new process. A thread would not do: running out of memory in native code ends the
 * whole process. Jobs and results must be structured-clone data.
 */
export class JobProcess<Job, Result> {
  readonly #options: JobProcessOptions;
  readonly #queue: QueuedJob<Job, Result>[] = [];
  #child: ChildProcess | null = null;
  #ready = false;
  #failedStarts = 0;
  #running: QueuedJob<Job, Result> | null = null;
  #cancelTimeout: () => void = () => {};

  constructor(options: JobProcessOptions) {
    this.#options = options;
  }

  /** Starts the process ahead of the first job. */
  start(): void {
    if (this.#child !== null) return;
    const child = fork(fileURLToPath(this.#options.entry), [String(this.#options.cpuLimitMs)], {
      execArgv: ["--import", TSX, `--max-old-space-size=${MAX_HEAP_MB}`],
      env: {},
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child = child;
    setKeepsProcessAlive(child, false);
    child.on("message", (message: Result | "ready") => {
      if (child !== this.#child) return;
      if (message === "ready") {
        this.#ready = true;
        this.#failedStarts = 0;
      } else this.#finish(message);
      this.#next();
    });
    const onLost = () => {
      if (child === this.#child) this.#abandonChild(new JobLimitError());
    };
    child.on("error", onLost);
    child.on("exit", onLost);
    this.#cancelTimeout = this.#options.clock.after(START_TIMEOUT_MS, onLost);
  }

  /** Whether a job would start at once, without waiting for the process to start. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** @throws JobLimitError; AppError UNAVAILABLE when too many jobs wait, or the process can't be started or hangs. */
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
    this.#ready = false;
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
    // Ignore a failure: if the process has just died, its exit event follows.
    this.#child!.send(queued.job as object, () => {});
    this.#cancelTimeout = this.#options.clock.after(this.#options.cpuLimitMs * CLOCK_FACTOR, () =>
      this.#abandonChild(unavailable()),
    );
  }

  #finish(result: Result): void {
    this.#cancelTimeout();
    const running = this.#running;
    this.#running = null;
    running?.resolve(result);
  }

  /**
   * Kills the process and fails the job that it ran. Waiting jobs get a new process; they fail only after several
   * processes in a row that never became ready.
   */
  #abandonChild(error: Error): void {
    const child = this.#child;
    const wasReady = this.#ready;
    this.#child = null;
    this.#ready = false;
    this.#cancelTimeout();
    child?.kill("SIGKILL");
    this.#running?.reject(error);
    this.#running = null;
    if (!wasReady && ++this.#failedStarts >= MAX_FAILED_STARTS) {
      this.#failedStarts = 0;
      for (const queued of this.#queue.splice(0)) queued.reject(unavailable());
    }
    if (this.#queue.length === 0) return;
    this.start();
    setKeepsProcessAlive(this.#child!, true);
  }
}

function unavailable(): AppError {
  return new AppError("UNAVAILABLE", "Some of the work can't be done at the moment.", { retryAfterS: 1 });
}

/** Sets whether the child keeps this process alive. */
function setKeepsProcessAlive(child: ChildProcess, keepsAlive: boolean): void {
  const method = keepsAlive ? "ref" : "unref";
  child[method]();
  child.channel?.[method]();
}

/** Kills the child without a graceful shutdown: its results are not needed any more. */
function killAndWait(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
