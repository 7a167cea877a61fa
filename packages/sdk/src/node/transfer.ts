import { pause } from "../client/deadline.ts";
import { FireworksError } from "../client/errors.ts";
import { delayMs, mayRetry } from "../client/retry.ts";
import { wholeNumber } from "../client/settings.ts";
import type { Runtime } from "../client/transport.ts";

/** The progress of a transfer. */
export interface TransferProgress {
  /** `validating`: all bytes have arrived and the host checks the files. */
  phase: "transferring" | "validating";
  /** The file that progressed, relative to its folder; empty while validating. */
  file: string;
  fileDoneBytes: number;
  fileTotalBytes: number;
  /** Bytes of all files. */
  doneBytes: number;
  totalBytes: number;
}

export interface TransferOptions {
  /** Aborts the transfer, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called often, and alternately for files that are transferred at the same time. */
  onProgress?: ((progress: TransferProgress) => void) | undefined;
  /** Files transferred at the same time, 1 to 64. Default 4. */
  concurrency?: number | undefined;
  /** Retries of one file without progress between them, 0 to 20; one more failure ends the transfer. Default 5. */
  maxRetries?: number | undefined;
}

/** The progress of an attempt that resets the count of failures. */
const MIN_PROGRESS_BYTES = 64 * 1024;

/** One transfer of several files: limits concurrency, adds up progress, and aborts all files when one fails. */
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

  /** Sets the size of a file for the total. */
  setSize(file: string, sizeBytes: number): void {
    this.#totalBytes += sizeBytes - (this.#totals.get(file) ?? 0);
    this.#totals.set(file, sizeBytes);
  }

  /** Sets how much of the file has arrived; after a failure it can be less than before. */
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

  /** Runs `work` for each item, `concurrency` at a time. @throws the first error, once no work is running */
  async each<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
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

  /** Retries `attempt` after temporary failures, with exponential backoff. */
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
