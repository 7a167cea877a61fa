/** An abort signal that fires after a time limit, or when the caller's signal fires. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #callerSignal: AbortSignal | undefined;
  readonly timeoutMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(timeoutMs: number, callerSignal: AbortSignal | undefined) {
    this.timeoutMs = timeoutMs;
    this.#callerSignal = callerSignal;
    callerSignal?.addEventListener("abort", this.#abandon);
    this.extend();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time limit has passed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Restarts the time limit. */
  extend(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      this.#controller.abort();
    }, this.timeoutMs);
    // The open connection keeps the process alive, so the timer needn't.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Stops the timer, and no longer follows the caller's signal. */
  close(): void {
    clearTimeout(this.#timer);
    this.#callerSignal?.removeEventListener("abort", this.#abandon);
  }

  /** Stops the timer and aborts the signal. */
  abort(): void {
    this.close();
    this.#controller.abort();
  }

  readonly #abandon = (): void => {
    this.#controller.abort(this.#callerSignal?.reason);
  };
}

/** Waits. @throws the signal's reason when it aborts */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abandon = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abandon);
      resolve();
    }, ms);
    if (signal?.aborted) abandon();
    else signal?.addEventListener("abort", abandon, { once: true });
  });
}
