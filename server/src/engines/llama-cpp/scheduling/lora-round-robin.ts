/** Key of a LoRA; null: the base model without one. */
export type LoraKey = number | null;

/** A longer turn would gain little: a change of LoRA costs about one batch. */
const MAX_BATCHES_PER_TURN = 8;

/**
 * Weighted round-robin over the LoRAs with running streams. A batch is computed with one LoRA, and a change may take as
 * long as a token, so each LoRA gets a turn of several batches with a token of each of its streams in each. In one
 * rotation every LoRA has one turn, and its share of the rotation's time is its share of the streams: all streams then
 * advance at about the same rate.
 */
export class LoraRoundRobin {
  readonly #rotationMs: number;
  /** LoRAs that have had their turn in this rotation, or have it now. */
  readonly #served = new Set<LoraKey>();
  #current: LoraKey = null;
  /** Batches of the current turn so far, and the time they took. */
  #batches = 0;
  #spentMs = 0;

  /** @param rotationMs target for all turns together; exceeded where it does not fit one batch each. */
  constructor(rotationMs: number) {
    this.#rotationMs = rotationMs;
  }

  /**
   * The LoRA of the next batch.
   * @param streams how many streams run with each LoRA; not empty.
   */
  next(streams: ReadonlyMap<LoraKey, number>): LoraKey {
    if (this.#continuesTurn(streams)) return this.#current;
    const waiting = [...streams.keys()].filter((lora) => !this.#served.has(lora));
    if (waiting.length === 0) this.#served.clear();
    const [next] = waiting.length > 0 ? waiting : streams.keys();
    this.#current = next!;
    this.#served.add(next!);
    this.#batches = 0;
    this.#spentMs = 0;
    return next!;
  }

  /**
   * Records that the batch was computed.
   * @returns whether the rotation is complete: then the scheduler may compute a prompt.
   */
  recordBatch(streams: ReadonlyMap<LoraKey, number>, ms: number): boolean {
    this.#batches++;
    this.#spentMs += ms;
    const lastTurn = [...streams.keys()].every((lora) => this.#served.has(lora));
    if (!lastTurn || (streams.size > 1 && this.#continuesTurn(streams))) return false;
    this.#served.clear();
    return true;
  }

  #continuesTurn(streams: ReadonlyMap<LoraKey, number>): boolean {
    if (!this.#served.has(this.#current) || this.#batches >= MAX_BATCHES_PER_TURN) return false;
    const ownStreams = streams.get(this.#current) ?? 0;
    const allStreams = [...streams.values()].reduce((sum, count) => sum + count, 0);
    return this.#spentMs < (this.#rotationMs * ownStreams) / allStreams;
  }
}
