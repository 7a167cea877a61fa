import type { Clock } from "../../../lib/clock.ts";
import { AppError } from "../../../lib/errors.ts";
import { JobLimitError, JobProcess } from "../../../platform/process/job-process.ts";
import type { CheckJob, CheckResult } from "./worker.ts";

/** Most processes at once, because each uses a whole core. */
export const MAX_RUNNING = 2;
export const MAX_WAITING = 64;
/** Most CPU time for checking one piece of a file. */
const PIECE_CPU_LIMIT_MS = 60_000;
/** How long an idle process is kept, because starting one takes longer than checking a small dataset. */
const IDLE_MS = 60_000;

export type RunCheckJob = (job: CheckJob) => Promise<CheckResult>;

type CheckProcess = JobProcess<CheckJob, CheckResult>;

/**
 * A pool of child processes that check rows. In the gateway's own process a large file would block the event loop, and
 * a hostile one could exhaust its memory.
 */
export class RowCheckPool {
  readonly #clock: Clock;
  readonly #processes = new Set<CheckProcess>();
  /** Processes without work. `keep` cancels the timer that would end the process. */
  readonly #idle: { process: CheckProcess; keep(): void }[] = [];
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Waits for a free process and runs `work` with it; nothing else uses the process meanwhile.
   * @throws AppError UNAVAILABLE when too many wait; BAD_REQUEST when the rows take too much memory or time to read;
   * errors of `work`.
   */
  async run<T>(work: (check: RunCheckJob) => Promise<T>): Promise<T> {
    await this.#acquireSlot();
    if (this.#closed) {
      this.#releaseSlot();
      throw new AppError("UNAVAILABLE", "The server is shutting down.");
    }
    const process = this.#takeProcess();
    try {
      const result = await work((job) => process.run(job));
      this.#returnProcess(process);
      return result;
    } catch (error) {
      await this.#end(process);
      if (!(error instanceof JobLimitError)) throw error;
      throw new AppError("BAD_REQUEST", "The dataset has rows that take too much memory or time to read.");
    } finally {
      this.#releaseSlot();
    }
  }

  /** Ends all processes. Running and waiting calls of `run` fail. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#processes].map((process) => process.close()));
  }

  #takeProcess(): CheckProcess {
    const idle = this.#idle.pop();
    idle?.keep();
    const process =
      idle?.process ??
      new JobProcess<CheckJob, CheckResult>({
        clock: this.#clock,
        entry: new URL("./worker.ts", import.meta.url),
        work: "Rows are checked",
        cpuLimitMs: PIECE_CPU_LIMIT_MS,
        maxQueued: 1,
      });
    this.#processes.add(process);
    return process;
  }

  #returnProcess(process: CheckProcess): void {
    const keep = this.#clock.after(IDLE_MS, () => {
      this.#idle.splice(this.#idle.indexOf(idle), 1);
      void this.#end(process);
    });
    const idle = { process, keep };
    this.#idle.push(idle);
  }

  async #end(process: CheckProcess): Promise<void> {
    this.#processes.delete(process);
    await process.close();
  }

  async #acquireSlot(): Promise<void> {
    if (this.#running < MAX_RUNNING) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      throw new AppError("UNAVAILABLE", "Too many datasets are being checked; try again later.", {
        retryAfterS: 10,
      });
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Gives the slot to the call that has waited longest. */
  #releaseSlot(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

/** Copies the bytes: sending a view would copy the whole buffer behind it to the process. */
export function chunkJob(bytes: Uint8Array): CheckJob {
  return { kind: "chunk", bytes: new Uint8Array(bytes) };
}
