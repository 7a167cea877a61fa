interface Running<T> {
  result: Promise<T>;
  stop: AbortController;
  waiters: number;
}

/** Work that several callers wait for: it is done once at a time, and aborted when nobody waits any more. */
export class SharedWork<T> {
  #running: Running<T> | null = null;

  async run(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    signal?.throwIfAborted();
    this.#running ??= this.#start(work);
    const running = this.#running;
    running.waiters++;
    let leave = (): void => {};
    try {
      const left = new Promise<never>((_, reject) => {
        leave = () => reject(signal?.reason);
      });
      signal?.addEventListener("abort", leave);
      return await Promise.race([running.result, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      if (--running.waiters === 0) running.stop.abort();
    }
  }

  #start(work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const stop = new AbortController();
    const result = work(stop.signal).finally(() => {
      this.#running = null;
    });
    // Who left hears no more of it.
    result.catch(() => {});
    return { result, stop, waiters: 0 };
  }
}
