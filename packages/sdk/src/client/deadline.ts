/** Aborts what takes too long, and what its caller gave up. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly timeoutMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    this.timeoutMs = timeoutMs;
    this.#caller = caller;
    caller?.addEventListener("abort", this.#abandon);
    this.extend();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time was over. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The time begins again. */
  extend(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isOver = true;
      this.#controller.abort();
    }, this.timeoutMs);
    // Without effect on the wait itself: while one lasts, its connection keeps the process alive.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  /** Nothing is aborted any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener("abort", this.#abandon);
  }

  /** Aborts what still runs. */
  abort(): void {
    this.close();
    this.#controller.abort();
  }

  readonly #abandon = (): void => {
    this.#controller.abort(this.#caller?.reason);
  };
}

/** Waits. @throws the signal's reason when it aborts. */
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
