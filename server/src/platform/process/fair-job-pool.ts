import { AppError } from "../../lib/errors.ts";
import { JobProcess, type JobProcessOptions } from "./job-process.ts";

export interface FairJobPoolOptions extends Omit<JobProcessOptions, "maxQueued"> {
  /** Most processes, ≥ 1. They are started when they are needed. */
  processes: number;
  /** Most jobs of one client that may wait. */
  maxQueuedPerClient: number;
  /** Most jobs that may wait altogether. */
  maxQueued: number;
}

interface WaitingJob<Job, Result> {
  job: Job;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

interface Client<Job, Result> {
  running: number;
  /** The number of the client's last turn, counted over all clients; 0: it had none. */
  lastTurn: number;
  waiting: WaitingJob<Job, Result>[];
}

/**
 * Runs jobs in several child processes, and takes turns among clients (round robin). One client's jobs never occupy the
 * last free process, so that its costly jobs do not hold up the others.
 */
export class FairJobPool<Job, Result> {
  readonly #options: FairJobPoolOptions;
  /** Clients with jobs that run or wait. */
  readonly #clients = new Map<string, Client<Job, Result>>();
  readonly #processes: JobProcess<Job, Result>[] = [];
  readonly #free: JobProcess<Job, Result>[] = [];
  #waitingCount = 0;
  #turns = 0;
  #closed = false;

  constructor(options: FairJobPoolOptions) {
    this.#options = options;
  }

  /** Starts a process ahead of the first job. */
  start(): void {
    if (this.#processes.length === 0) this.#free.push(this.#addProcess());
    for (const process of this.#processes) process.start();
  }

  /**
   * @param client whom the job is for: an account.
   * @throws JobLimitError; AppError UNAVAILABLE when too many jobs wait, or no process can be started.
   */
  run(client: string, job: Job): Promise<Result> {
    const { maxQueued, maxQueuedPerClient, work } = this.#options;
    const { waiting } = this.#clients.get(client) ?? { waiting: [] };
    if (waiting.length >= maxQueuedPerClient || this.#waitingCount >= maxQueued) {
      const message = `${work} one after the other, and too many wait; try again later.`;
      return Promise.reject(new AppError("UNAVAILABLE", message, { retryAfterS: 1 }));
    }
    return new Promise((resolve, reject) => {
      this.#clientOf(client).waiting.push({ job, resolve, reject });
      this.#waitingCount++;
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = new AppError("UNAVAILABLE", "The server is shutting down.");
    for (const { waiting } of this.#clients.values()) {
      for (const { reject } of waiting.splice(0)) reject(error);
    }
    this.#waitingCount = 0;
    await Promise.all(this.#processes.map((process) => process.close()));
  }

  #clientOf(name: string): Client<Job, Result> {
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = { running: 0, lastTurn: 0, waiting: [] };
      this.#clients.set(name, client);
    }
    return client;
  }

  #addProcess(): JobProcess<Job, Result> {
    const process = new JobProcess<Job, Result>({ ...this.#options, maxQueued: 1 });
    this.#processes.push(process);
    return process;
  }

  /** Gives waiting jobs to free processes. */
  #dispatch(): void {
    for (;;) {
      const name = this.#nextClient();
      const process = name === null ? undefined : this.#takeProcess();
      if (name === null || process === undefined) return;
      void this.#runOn(process, name);
    }
  }

  /** The client whose last turn is longest ago; null: no job may run now. */
  #nextClient(): string | null {
    const mostRunning = Math.max(1, this.#options.processes - 1);
    let next: string | null = null;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [name, { running, lastTurn, waiting }] of this.#clients) {
      if (waiting.length === 0 || running >= mostRunning || lastTurn >= earliest) continue;
      next = name;
      earliest = lastTurn;
    }
    return next;
  }

  /** A free process, one that needs no start if there is one. */
  #takeProcess(): JobProcess<Job, Result> | undefined {
    const ready = this.#free.findIndex((process) => process.isReady);
    if (ready !== -1) return this.#free.splice(ready, 1)[0];
    const other = this.#free.pop();
    if (other !== undefined) return other;
    return this.#processes.length < this.#options.processes ? this.#addProcess() : undefined;
  }

  async #runOn(process: JobProcess<Job, Result>, name: string): Promise<void> {
    const client = this.#clientOf(name);
    const { job, resolve, reject } = client.waiting.shift()!;
    this.#waitingCount--;
    client.running++;
    client.lastTurn = ++this.#turns;
    try {
      resolve(await process.run(job));
    } catch (error) {
      reject(error);
      // The job may have been killed with its process: the next job should not wait for a new one.
      if (!this.#closed) process.start();
    }
    client.running--;
    if (client.running === 0 && client.waiting.length === 0) this.#clients.delete(name);
    this.#free.push(process);
    this.#dispatch();
  }
}
