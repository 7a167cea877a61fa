import type { Clock } from "../lib/clock.ts";

/** Lets any number of callers wait for the next change of something. */
export class Changes {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  notify(): void {
    for (const resolve of [...this.#waiting]) resolve();
  }

  /** Resolves at the next change, after `timeoutMs` or on an abort, whichever comes first. Never rejects. */
  async next(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    let resolve = () => {};
    const changed = new Promise<void>((done) => {
      resolve = done;
    });
    this.#waiting.add(resolve);
    signal?.addEventListener("abort", resolve, { once: true });
    const cancel = this.#clock.after(timeoutMs, resolve);
    await changed;
    cancel();
    signal?.removeEventListener("abort", resolve);
    this.#waiting.delete(resolve);
  }
}
