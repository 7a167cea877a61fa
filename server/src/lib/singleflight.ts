interface InFlightCall<T> {
  result: Promise<T>;
  callers: number;
  abort: AbortController;
  listeners: Set<(message: string) => void>;
}

/** Runs work once for all concurrent callers with the same key. Aborts the work when all its callers have given up. */
export class Singleflight<T> {
  readonly #inFlight = new Map<string, InFlightCall<T>>();

  /**
   * Starts `work`, or joins the work in progress for the key, and returns its result.
   * @param signal gives up for this caller only. @param onMessage receives progress messages from now on.
   * @throws the signal's reason; the error of the work.
   */
  async run(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal, report: (message: string) => void) => Promise<T>,
    onMessage: (message: string) => void = () => {},
  ): Promise<T> {
    signal.throwIfAborted();
    // Aborted work may still be cleaning up; start after it.
    while (this.#inFlight.get(key)?.abort.signal.aborted)
      await this.#inFlight.get(key)?.result.catch(() => {});
    const call = this.#inFlight.get(key) ?? this.#start(key, work);
    call.callers++;
    call.listeners.add(onMessage);
    let onAbort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      return await Promise.race([call.result, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      call.listeners.delete(onMessage);
      if (--call.callers === 0) call.abort.abort(signal.reason);
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
    // If all callers have given up, nobody handles an error.
    result.catch(() => {});
    const call = { result, callers: 0, abort, listeners };
    this.#inFlight.set(key, call);
    return call;
  }
}
