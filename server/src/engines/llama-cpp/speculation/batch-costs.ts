/** Numbers of guessed tokens that are considered. */
const PROPOSAL_LENGTHS = [2, 3, 5, 7, 11, 15, 23, 31];
/** Speculation must promise at least this factor of speed: the estimates are rough. */
const MIN_SPEEDUP = 1.1;

/** The measured cost of computing several tokens in one batch, as a multiple of the cost of one token. */
export class BatchCosts {
  readonly #points: readonly { tokens: number; cost: number }[];

  /** @param measured times for at least two batch sizes, in rising order, the first for one token. */
  constructor(measured: readonly { tokens: number; ms: number }[]) {
    const oneTokenMs = measured[0]!.ms;
    this.#points = measured.map(({ tokens, ms }) => ({ tokens, cost: Math.max(1, ms / oneTokenMs) }));
  }

  /** Interpolates linearly between the measured sizes, and extrapolates beyond the largest. */
  of(tokens: number): number {
    const points = this.#points;
    const next = points.findIndex((point) => point.tokens >= tokens);
    const to = points[next < 0 ? points.length - 1 : Math.max(1, next)]!;
    const from = points[Math.max(0, points.indexOf(to) - 1)]!;
    return from.cost + ((tokens - from.tokens) / (to.tokens - from.tokens)) * (to.cost - from.cost);
  }

  /** The number of tokens to guess when each guess is right with probability `hitRate`; 0 where guessing gains nothing. */
  bestProposalLength(hitRate: number): number {
    let [best, bestSpeedup] = [0, MIN_SPEEDUP];
    for (const length of PROPOSAL_LENGTHS) {
      // The token after the last right guess comes at no extra cost, so a batch yields 1 + p + … + p^length tokens.
      const expectedTokens = hitRate === 1 ? length + 1 : (1 - hitRate ** (length + 1)) / (1 - hitRate);
      const speedup = expectedTokens / this.of(length + 1);
      if (speedup > bestSpeedup) [best, bestSpeedup] = [length, speedup];
    }
    return best;
  }
}
