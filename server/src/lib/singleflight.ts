interface InFlightCall<T> {
  result: Promise<T>;
  callers: number;
  abort: AbortController;
  listeners: Set<(message: string) => void>;
}

/** Work that several callers want at once is done once. It is given up when the last of them has. */
export class Singleflight<T> {
  readonly #inFlight = new Map<string, InFlightCall<T>>();

  /**
   * The outcome of `work`, begun by the first caller with this key and joined by those that come while it runs.
   * @param onMessage hears what the work reports from now on.
   * @throws the signal's reason; what the work throws.
   */
  async run(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal, report: (message: string) => void) => Promise<T>,
    onMessage: (message: string) => void = () => {},
  ): Promise<T> {
    signal.throwIfAborted();
    // Work that everyone gave up is still tidying up; the next one starts after it.
    while (this.#inFlight.get(key)?.abort.signal.aborted)
      await this.#inFlight.get(key)?.result.catch(() => {});
    const job = this.#inFlight.get(key) ?? this.#start(key, work);
    job.callers++;
    job.listeners.add(onMessage);
    let onAbort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      return await Promise.race([job.result, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      job.listeners.delete(onMessage);
      if (--job.callers === 0) job.abort.abort(signal.reason);
    }
  }

  #start(
    key: string,
    work: (signal: AbortSignal, report: (message: string) => void) => Promise<T>,
  ): InFlightCall<T> {
    const abort = new AbortController();
    const listeners: InFlightCall<T>["listeners"] = new Set();
    const report = (message: string): void => {
      for (const listener of listeners) listener(message);
    };
    const result = work(abort.signal, report).finally(() => this.#inFlight.delete(key));
    // Callers that gave up don't wait for the outcome.
    result.catch(() => {});
    const job = { result, callers: 0, abort, listeners };
    this.#inFlight.set(key, job);
    return job;
  }
}
