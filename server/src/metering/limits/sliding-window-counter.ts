const SLOT_MS = 1_000;
/** The current second and the 60 before it, so that every window of a minute lies within the slots. */
const SLOTS = 61;

/**
 * Sliding-window counter: counts the requests of the last minute in a ring of one-second slots. The count includes up
 * to a second too much, and never misses a request of the last minute.
 */
export class SlidingWindowCounter {
  readonly #counts = new Uint32Array(SLOTS);
  /** The newest slot, in seconds of the monotonic clock. */
  #slot = Number.NEGATIVE_INFINITY;
  #total = 0;

  /** @param nowMs monotonic. */
  count(nowMs: number): number {
    this.#roll(Math.floor(nowMs / SLOT_MS));
    return this.#total;
  }

  add(nowMs: number, n: number): void {
    this.#roll(Math.floor(nowMs / SLOT_MS));
    this.#counts[this.#slot % SLOTS]! += n;
    this.#total += n;
  }

  /** Time until the count falls to `target`, provided that nothing is added; at least 1,000 ms. */
  waitMs(nowMs: number, target: number): number {
    let remaining = this.count(nowMs);
    let slot = this.#slot - SLOTS + 1;
    while (remaining > target && slot <= this.#slot) remaining -= this.#counts[(slot++ + SLOTS) % SLOTS]!;
    return Math.max(SLOT_MS, (slot + SLOTS - 1) * SLOT_MS - nowMs);
  }

  /** Makes `slot` the newest slot and drops slots that have left the window. */
  #roll(slot: number): void {
    if (slot <= this.#slot) return;
    if (slot - this.#slot >= SLOTS) {
      this.#counts.fill(0);
      this.#total = 0;
    } else {
      for (let next = this.#slot + 1; next <= slot; next++) {
        this.#total -= this.#counts[next % SLOTS]!;
        this.#counts[next % SLOTS] = 0;
      }
    }
    this.#slot = slot;
  }
}
