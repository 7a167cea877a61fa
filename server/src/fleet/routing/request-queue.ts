import type { Clock } from "../../lib/clock.ts";

/** Requests that wait for a replica, first come, first served; requests of low priority come after all others. */
export class RequestQueue {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #waiters = new Set<() => void>();
  readonly #lowPriority = new Set<() => void>();

  constructor(clock: Clock, capacity: number) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#waiters.size + this.#lowPriority.size;
  }

  get isFull(): boolean {
    return this.size >= this.#capacity;
  }

  /**
   * Calls `attempt` at each `retryAll` until it returns a value other than null, and resolves with that value. Rejects with the
   * error of `attempt`, with `onTimeout()` after `timeoutMs`, and with the signal's reason.
   */
  enqueue<T>(
    attempt: () => T | null,
    timeoutMs: number,
    signal: AbortSignal,
    onTimeout: () => Error,
    priority?: "low",
  ): Promise<T> {
    const waiters = priority === "low" ? this.#lowPriority : this.#waiters;
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiters.delete(retry);
        cancel();
        signal.removeEventListener("abort", onAbort);
      };
      const fail = (error: unknown) => {
        leave();
        reject(error);
      };
      const retry = () => {
        try {
          const result = attempt();
          if (result === null) return;
          leave();
          resolve(result);
        } catch (error) {
          fail(error);
        }
      };
      const onAbort = () => fail(signal.reason);
      const cancel = this.#clock.after(timeoutMs, () => fail(onTimeout()));
      signal.addEventListener("abort", onAbort, { once: true });
      waiters.add(retry);
    });
  }

  /** Lets every request try again, in the order in which they came. */
  retryAll(): void {
    for (const retry of this.#waiters) retry();
    for (const retry of this.#lowPriority) retry();
  }
}
