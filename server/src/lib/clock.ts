/** The only source of time. Code that waits or records times takes a Clock, so that tests can control time. */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. May step backwards. */
  now(): number;
  /** Milliseconds since an arbitrary start. Never goes backwards; use it for durations. */
  monotonicMs(): number;
  /** Runs `fn` once after `delayMs`; the returned function cancels it. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A clock for tests; its time moves only by `advance`. */
export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ atMs: number; fn: () => void }>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fn: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, fn };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /**
   * Moves time forward by `ms` and runs due timers in the order of their times; equal times run in the order of
   * creation.
   */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      let due: { atMs: number; fn: () => void } | undefined;
      for (const timer of this.#timers)
        if (timer.atMs <= endMs && (due === undefined || timer.atMs < due.atMs)) due = timer;
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fn();
    }
    this.#nowMs = endMs;
  }
}
