const SLOT_MS = 1_000;
/** The running second and the sixty before it, so that any minute lies within them. */
const SLOTS = 61;

/** How many requests were admitted in the last minute, by the second. Counts up to a second too much, never too little. */
export class SlidingWindowCounter {
  readonly #counts = new Uint32Array(SLOTS);
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

  /** Time until no more than `most` are counted, if no others come; at least a second. */
  waitMs(nowMs: number, most: number): number {
    let left = this.count(nowMs);
    let slot = this.#slot - SLOTS + 1;
    while (left > most && slot <= this.#slot) left -= this.#counts[(slot++ + SLOTS) % SLOTS]!;
    return Math.max(SLOT_MS, (slot + SLOTS - 1) * SLOT_MS - nowMs);
  }

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
