interface Flight<T> {
  result: Promise<T>;
  stop: AbortController;
  waiters: number;
}

/** Singleflight: concurrent callers share one run of the work. The run is aborted when all callers have aborted. */
export class Singleflight<T> {
  #flight: Flight<T> | null = null;

  async run(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    this.#flight ??= this.#start(work);
    const flight = this.#flight;
    flight.waiters++;
    let leave = (): void => {};
    try {
      const abandoned = new Promise<never>((_, reject) => {
        leave = () => reject(signal?.reason);
      });
      signal?.addEventListener("abort", leave);
      return await Promise.race([flight.result, abandoned]);
    } finally {
      signal?.removeEventListener("abort", leave);
      if (--flight.waiters === 0) flight.stop.abort();
    }
  }

  #start(work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const stop = new AbortController();
    const result = work(stop.signal).finally(() => {
      this.#flight = null;
    });
    // All callers may have left: avoid an unhandled rejection.
    result.catch(() => {});
    return { result, stop, waiters: 0 };
  }
}
