import type { BatchCosts } from "./batch-costs.ts";
import type { Proposer } from "./proposer.ts";

/** A match further away than this may be a coincidence: it counts only after `PATIENCE` misses in a row. */
const NEARBY_TOKENS = 24;
const PATIENCE = 12;
/** Prior of the hit rate: so many hits among so many guesses. */
const PRIOR_HITS = 9;
const PRIOR_GUESSES = 10;

/** Guesses the next tokens from the client's prediction of the output, and finds the place again where they diverged. */
export class PredictedOutputProposer implements Proposer {
  readonly #prediction: readonly number[];
  readonly #costs: BatchCosts;
  /** Bigram of the prediction → the positions after its occurrences, rising. */
  readonly #positionsAfter = new Map<string, number[]>();
  /** Position of the next token in the prediction; null: the output has diverged from it. */
  #position: number | null = 0;
  /** Position after the last hit. */
  #reached = 0;
  /** The last token was a hit. Guesses are made, and the hit rate is counted, only then. */
  #onTrack = true;
  /** Misses in a row. */
  #misses = 0;
  #hits = PRIOR_HITS;
  #guesses = PRIOR_GUESSES;
  #last: number | null = null;
  /** Tokens of the prediction that appeared in the output, also those that were not worth a guess. */
  acceptedTokens = 0;

  constructor(prediction: readonly number[], costs: BatchCosts) {
    this.#prediction = prediction;
    this.#costs = costs;
    for (let i = 1; i < prediction.length; i++) {
      const key = `${prediction[i - 1]} ${prediction[i]}`;
      const positions = this.#positionsAfter.get(key);
      if (positions === undefined) this.#positionsAfter.set(key, [i + 1]);
      else positions.push(i + 1);
    }
  }

  get rejectedTokens(): number {
    return Math.max(0, this.#prediction.length - this.acceptedTokens);
  }

  propose(most: number): readonly number[] {
    if (this.#position === null || !this.#onTrack) return [];
    const length = this.#costs.bestProposalLength(this.#hits / this.#guesses);
    return this.#prediction.slice(this.#position, this.#position + Math.min(most, length));
  }

  onToken(token: number): void {
    const expected = this.#position === null ? undefined : this.#prediction[this.#position];
    const hit = expected === token;
    if (this.#onTrack && expected !== undefined) {
      this.#guesses++;
      if (hit) this.#hits++;
    }
    if (this.#position !== null && hit) {
      this.#reached = ++this.#position;
      this.#onTrack = true;
      this.#misses = 0;
      this.acceptedTokens++;
    } else {
      this.#onTrack = false;
      this.#misses++;
      this.#position = this.#afterMiss(token);
    }
    this.#last = token;
  }

  /**
   * The position to continue from: after the next occurrence of the last two tokens; but a replaced token is the likeliest
   * change, so a distant occurrence has to wait for more misses.
   */
  #afterMiss(token: number): number | null {
    const replaced = this.#position === null ? null : this.#position + 1;
    const positions = this.#positionsAfter.get(`${this.#last} ${token}`);
    if (positions === undefined) return replaced;
    const found = positions.find((position) => position > this.#reached) ?? positions[0]!;
    return replaced !== null && this.#misses < PATIENCE && Math.abs(found - replaced) > NEARBY_TOKENS
      ? replaced
      : found;
  }
}
