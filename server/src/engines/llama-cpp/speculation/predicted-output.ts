import type { Proposer } from "./proposer.ts";

/** How many tokens to guess at once; what lies between is not worth a choice. */
const LENGTHS = [2, 3, 5, 7, 11, 15, 23, 31];
/** Guessing must promise this much more speed: the estimates are rough. */
const LEAST_GAIN = 1.1;
/** So many misses in a row until a place that is further away than this many tokens is believed. */
const FAITHFUL = 12;
const NEARBY = 24;
/** What is assumed at first: so many hits of so many tokens. */
const FIRST_HITS = 9;
const FIRST_TOKENS = 10;

/** What it costs to compute several tokens at once, as measured: a multiple of what one costs. */
export class BatchCosts {
  readonly #points: readonly { tokens: number; cost: number }[];

  /** @param measured times for several numbers of tokens, in rising order, the first for one token. */
  constructor(measured: readonly { tokens: number; ms: number }[]) {
    const one = measured[0]!.ms;
    this.#points = measured.map(({ tokens, ms }) => ({ tokens, cost: Math.max(1, ms / one) }));
  }

  of(tokens: number): number {
    const points = this.#points;
    const next = points.findIndex((point) => point.tokens >= tokens);
    const to = points[next < 0 ? points.length - 1 : Math.max(1, next)]!;
    const from = points[Math.max(0, points.indexOf(to) - 1)]!;
    return from.cost + ((tokens - from.tokens) / (to.tokens - from.tokens)) * (to.cost - from.cost);
  }

  /** How many tokens to guess when each comes true at `hitRate`; 0 where guessing gains nothing. */
  bestProposalLength(hitRate: number): number {
    let [best, bestGain] = [0, LEAST_GAIN];
    for (const length of LENGTHS) {
      // The token after the last right guess comes for nothing.
      const made = hitRate === 1 ? length + 1 : (1 - hitRate ** (length + 1)) / (1 - hitRate);
      const gain = made / this.of(length + 1);
      if (gain > bestGain) [best, bestGain] = [length, gain];
    }
    return best;
  }
}

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
