import { pause } from "../client/deadline.ts";
import { FireworksError } from "../client/errors.ts";
import { delayMs, mayRetry } from "../client/retry.ts";
import { wholeNumber } from "../client/settings.ts";
import type { Runtime } from "../client/transport.ts";

/** How far files are on their way. */
export interface TransferProgress {
  /** `validating`: everything is there and being checked. */
  phase: "transferring" | "validating";
  /** The file that moved on, relative to its folder; empty while validating. */
  file: string;
  fileDoneBytes: number;
  fileTotalBytes: number;
  /** Of all files together. */
  doneBytes: number;
  totalBytes: number;
}

export interface TransferOptions {
  /** Ends the transfer; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Is called often, also from several files at once. */
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Files at once, 1 to 64. Default 4. */
  concurrency?: number | undefined;
  /** Failures in a row of one file, without progress between them, before the transfer fails; 0 to 20. Default 5. */
  maxRetries?: number | undefined;
}

/** Progress of less than this makes nobody more patient. */
const MIN_PROGRESS_BYTES = 64 * 1024;

/** The files of one transfer: so many at once, one progress, and an end of all when one fails. */
export class Transfer {
  readonly signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #options: TransferOptions;
  readonly #runtime: Pick<Runtime, "random" | "pause">;
  readonly #totals = new Map<string, number>();
  readonly #done = new Map<string, number>();
  #totalBytes = 0;
  #doneBytes = 0;

  constructor(
    options: TransferOptions,
    runtime: Pick<Runtime, "random" | "pause"> = { random: Math.random, pause },
  ) {
    this.#options = options;
    this.#runtime = runtime;
    this.signal =
      options.signal === undefined ? this.#stop.signal : AbortSignal.any([options.signal, this.#stop.signal]);
  }

  /** Names a file and its size, before anything moves. */
  expect(file: string, sizeBytes: number): void {
    this.#totalBytes += sizeBytes - (this.#totals.get(file) ?? 0);
    this.#totals.set(file, sizeBytes);
  }

  /** So much of the file has arrived; less than before after a failure. */
  report(file: string, doneBytes: number): void {
    this.#doneBytes += doneBytes - (this.#done.get(file) ?? 0);
    this.#done.set(file, doneBytes);
    this.#notify("transferring", file);
  }

  reportValidating(): void {
    this.#notify("validating", "");
  }

  doneOf(file: string): number {
    return this.#done.get(file) ?? 0;
  }

  /** @throws what the first failing one threw; by then no other is running */
  async each<One>(items: readonly One[], work: (item: One) => Promise<void>): Promise<void> {
    const waiting = [...items];
    const failures: unknown[] = [];
    const worker = async (): Promise<void> => {
      for (let item = waiting.shift(); item !== undefined && !this.signal.aborted; item = waiting.shift()) {
        await work(item).catch((error: unknown) => {
          failures.push(error);
          this.#stop.abort(error);
        });
      }
    };
    const concurrency = wholeNumber("concurrency", this.#options.concurrency ?? 4, 1, 64);
    await Promise.all(Array.from({ length: concurrency }, worker));
    this.#options.signal?.throwIfAborted();
    if (failures.length > 0) throw failures[0];
  }

  /** Goes on with a file until it is through: after failures that pass, with growing pauses. */
  async withRetries(file: string, attempt: () => Promise<void>): Promise<void> {
    const maxRetries = wholeNumber("maxRetries", this.#options.maxRetries ?? 5, 0, 20);
    let bestBytes = this.doneOf(file);
    for (let failures = 0; ; ) {
      try {
        return await attempt();
      } catch (error) {
        if (this.doneOf(file) - bestBytes >= MIN_PROGRESS_BYTES) {
          bestBytes = this.doneOf(file);
          failures = 0;
        }
        this.signal.throwIfAborted();
        if (!(error instanceof FireworksError) || failures >= maxRetries || !mayRetry(error, "always"))
          throw error;
        await this.#runtime.pause(delayMs(failures, error, this.#runtime.random), this.signal);
        failures++;
      }
    }
  }

  #notify(phase: TransferProgress["phase"], file: string): void {
    this.#options.onProgress?.({
      phase,
      file,
      fileDoneBytes: this.doneOf(file),
      fileTotalBytes: this.#totals.get(file) ?? 0,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
    });
  }
}
