/** An adapter's key; null: the model as it is. */
export type LoraKey = number | null;

/** More batches a turn would gain little: to change adapters takes no longer than about one. */
const MAX_BATCHES = 8;

/**
 * A batch is computed with one adapter, and to change it may take as long as to compute a token. So each adapter with
 * running streams has a turn of some batches, a token of each of its streams in each. In one rotation each has one turn,
 * and of the rotation's time as large a share as of the streams: then all streams advance at about the same rate.
 */
export class LoraRoundRobin {
  readonly #rotationMs: number;
  /** Who had their turn in this rotation, or have it now. */
  readonly #served = new Set<LoraKey>();
  #current: LoraKey = null;
  /** Batches of the current turn so far, and the time they took. */
  #batches = 0;
  #spentMs = 0;

  /** @param rotationMs how long all turns together should at most take; longer where that isn't enough for a batch each. */
  constructor(rotationMs: number) {
    this.#rotationMs = rotationMs;
  }

  /**
   * Whose batch is next.
   * @param streams how many are running with each adapter; not empty.
   */
  next(streams: ReadonlyMap<LoraKey, number>): LoraKey {
    if (this.#continuesCurrent(streams)) return this.#current;
    const waiting = [...streams.keys()].filter((adapter) => !this.#served.has(adapter));
    if (waiting.length === 0) this.#served.clear();
    const [next] = waiting.length > 0 ? waiting : streams.keys();
    this.#current = next!;
    this.#served.add(next!);
    this.#batches = 0;
    this.#spentMs = 0;
    return next!;
  }

  /**
   * The batch was computed.
   * @returns whether all have had their turns: then others than streams may be served.
   */
  recordBatch(streams: ReadonlyMap<LoraKey, number>, ms: number): boolean {
    this.#batches++;
    this.#spentMs += ms;
    const last = [...streams.keys()].every((adapter) => this.#served.has(adapter));
    if (!last || (streams.size > 1 && this.#continuesCurrent(streams))) return false;
    this.#served.clear();
    return true;
  }

  #continuesCurrent(streams: ReadonlyMap<LoraKey, number>): boolean {
    if (!this.#served.has(this.#current) || this.#batches >= MAX_BATCHES) return false;
    const own = streams.get(this.#current) ?? 0;
    const all = [...streams.values()].reduce((sum, count) => sum + count, 0);
    return this.#spentMs < (this.#rotationMs * own) / all;
  }
}
