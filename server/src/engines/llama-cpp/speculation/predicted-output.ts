import type { BatchCosts } from "./batch-costs.ts";
import type { Proposer } from "./proposer.ts";

/** So many misses in a row until a place that is further away than this many tokens is believed. */
const FAITHFUL = 12;
const NEARBY = 24;
/** What is assumed at first: so many hits of so many tokens. */
const FIRST_HITS = 9;
const FIRST_TOKENS = 10;

/** Guesses what comes next from a prediction of the whole output, also where the output left it and came back. */
export class PredictedOutputProposer implements Proposer {
  readonly #prediction: readonly number[];
  readonly #costs: BatchCosts;
  /** Where two tokens stand next to each other in the prediction: the places after them. */
  readonly #after = new Map<string, number[]>();
  /** Where the output is in the prediction; null: it has left it. */
  #at: number | null = 0;
  /** The place after the last token that came true. */
  #reached = 0;
  /** The last token was where it was expected. What follows another says little of what follows this. */
  #onTrack = true;
  /** In a row. */
  #missed = 0;
  /** On track alone. */
  #hits = FIRST_HITS;
  #tokens = FIRST_TOKENS;
  #last: number | null = null;
  /** Tokens of the prediction that came true, whether guessing them paid off or not. */
  acceptedTokens = 0;

  constructor(prediction: readonly number[], costs: BatchCosts) {
    this.#prediction = prediction;
    this.#costs = costs;
    for (let i = 1; i < prediction.length; i++) {
      const key = `${prediction[i - 1]} ${prediction[i]}`;
      const places = this.#after.get(key);
      if (places === undefined) this.#after.set(key, [i + 1]);
      else places.push(i + 1);
    }
  }

  get rejectedTokens(): number {
    return Math.max(0, this.#prediction.length - this.acceptedTokens);
  }

  /** What may come next, at most `most` tokens; often none. */
  propose(most: number): readonly number[] {
    if (this.#at === null || !this.#onTrack) return [];
    const length = this.#costs.bestProposalLength(this.#hits / this.#tokens);
    return this.#prediction.slice(this.#at, this.#at + Math.min(most, length));
  }

  /** A token was made, guessed or not: that it would have been right counts as well. */
  onToken(token: number): void {
    const expected = this.#at === null ? undefined : this.#prediction[this.#at];
    const hit = expected === token;
    if (this.#onTrack && expected !== undefined) {
      this.#tokens++;
      if (hit) this.#hits++;
    }
    if (this.#at !== null && hit) {
      this.#reached = ++this.#at;
      this.#onTrack = true;
      this.#missed = 0;
      this.acceptedTokens++;
    } else {
      this.#onTrack = false;
      this.#missed++;
      this.#at = this.#afterMiss(token);
    }
    this.#last = token;
  }

  /**
   * Where to go on: where the last two tokens stand next to each other; but one token in place of another is the
   * likeliest change, and two tokens far away may be a coincidence.
   */
  #afterMiss(token: number): number | null {
    const replaced = this.#at === null ? null : this.#at + 1;
    const places = this.#after.get(`${this.#last} ${token}`);
    if (places === undefined) return replaced;
    const found = places.find((place) => place > this.#reached) ?? places[0]!;
    return replaced !== null && this.#missed < FAITHFUL && Math.abs(found - replaced) > NEARBY
      ? replaced
      : found;
  }
}
