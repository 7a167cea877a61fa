/** How many tokens to guess at once; what lies between is not worth a choice. */
const LENGTHS = [2, 3, 5, 7, 11, 15, 23, 31];
/** Guessing must promise this much more speed: the estimates are rough. */
const LEAST_GAIN = 1.05;
/** Most predictions begin right. */
const FIRST_HIT_RATE = 0.9;
/** Weight of the newest token in the rate. */
const NEWEST = 0.06;

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
  bestLength(hitRate: number): number {
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
export class Drafts {
  readonly #prediction: readonly number[];
  readonly #costs: BatchCosts;
  /** Where two tokens stand next to each other in the prediction: the places after them. */
  readonly #after = new Map<string, number[]>();
  /** Where the output is in the prediction; null: it has left it. */
  #at: number | null = 0;
  /** The place after the last token that came true. */
  #reached = 0;
  #hitRate = FIRST_HIT_RATE;
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
  next(most: number): readonly number[] {
    if (this.#at === null) return [];
    const length = this.#costs.bestLength(this.#hitRate);
    return this.#prediction.slice(this.#at, this.#at + Math.min(most, length));
  }

  /** A token was made, guessed or not: that it would have been right counts as well. */
  made(token: number): void {
    const expected = this.#at === null ? undefined : this.#prediction[this.#at];
    if (expected !== undefined) this.#hitRate += NEWEST * ((expected === token ? 1 : 0) - this.#hitRate);
    if (this.#at !== null && expected === token) {
      this.#reached = ++this.#at;
      this.acceptedTokens++;
    } else {
      // One token in place of another is the likeliest change; two in a row that are known say more.
      const replaced = this.#at === null ? null : this.#at + 1;
      this.#at = this.#find(token) ?? replaced;
    }
    this.#last = token;
  }

  /** The next place in the prediction where the last two tokens stand, or else the first. */
  #find(token: number): number | null {
    const places = this.#after.get(`${this.#last} ${token}`);
    if (places === undefined) return null;
    return places.find((place) => place > this.#reached) ?? places[0]!;
  }
}
