import { BLOCK_TOKENS, wholeBlocks } from "./prefill-blocks.ts";

export interface PrefillChunkLimits {
  /** Longest that a chunk should take while streams wait for it. */
  targetMs: number;
  /** Most tokens of a chunk, at least a block. */
  maxTokens: number;
}

/** Smaller chunks cost more in overhead than they gain in smoothness. */
const MIN_TOKENS = 8;
/** A block may exceed the target by this factor: splitting it would cost far more time in all. */
const BLOCK_TOLERANCE = 1.2;
/** Up to this position the depth makes no measurable difference. */
const SHALLOW_TOKENS = 256;
/** Lower bound of a token's time, so that a coarse clock never leads to a division by zero. */
const MIN_TOKEN_MS = 1e-6;
/** Weight of the newest measurement in the exponential moving average. */
const NEWEST_WEIGHT = 0.5;

/** Decides how many tokens of a prompt to compute in one call, from the measured speed. */
export class PrefillChunkSizer {
  readonly #limits: PrefillChunkLimits;
  /** Milliseconds a token takes in whole blocks and in partial blocks; null: not measured. */
  #blockTokenMs: number | null = null;
  #partialTokenMs: number | null = null;
  /** `#partialTokenMs` when a partial block was first measured after the last whole block. */
  #firstPartialTokenMs: number | null = null;
  /** Position in its context at which the last measured partial block ended. */
  #partialDepth = 0;

  constructor(limits: PrefillChunkLimits) {
    this.#limits = limits;
  }

  /** Most tokens of the next chunk. @param streams running streams that wait for it. */
  next(streams: number): number {
    const { targetMs, maxTokens } = this.#limits;
    const blockTokenMs = this.#expectedBlockTokenMs();
    const fitting = Math.min(targetMs / blockTokenMs, maxTokens);
    if (fitting >= BLOCK_TOKENS) {
      // A block takes longer the deeper it is, and the estimate lags behind. So while streams wait, several blocks have
      // to fit twice: a stream was seen to wait 695 ms for two blocks that were expected to fit 320 ms.
      const safe = streams === 0 ? fitting : Math.max(BLOCK_TOKENS, fitting / 2);
      return wholeBlocks(Math.floor(safe));
    }
    if (streams === 0 || fitting * BLOCK_TOLERANCE >= BLOCK_TOKENS) return BLOCK_TOKENS;
    const partialTokenMs = this.#partialTokenMs ?? blockTokenMs;
    const tokens = Math.max(MIN_TOKENS, Math.min(BLOCK_TOKENS - 1, Math.floor(targetMs / partialTokenMs)));
    return tokens * partialTokenMs < BLOCK_TOKENS * blockTokenMs ? tokens : BLOCK_TOKENS;
  }

  /**
   * Most tokens of a partial block in one call: as many as take no longer than a whole block. The partial block's kernel
   * slows down with the depth, at most in proportion, so far beyond the last measurement few tokens are tried first.
   * @param depth tokens before them.
   */
  partialBlock(streams: number, depth: number): number {
    if (streams === 0) return BLOCK_TOKENS - 1;
    const blockTokenMs = this.#expectedBlockTokenMs();
    const slowdown = Math.max(1, depth / Math.max(SHALLOW_TOKENS, this.#partialDepth));
    const partialTokenMs = (this.#partialTokenMs ?? blockTokenMs) * slowdown;
    const fitting = Math.floor(Math.max(this.#limits.targetMs, BLOCK_TOKENS * blockTokenMs) / partialTokenMs);
    return Math.max(MIN_TOKENS, Math.min(BLOCK_TOKENS - 1, fitting));
  }

  /** @param depth tokens before those that were computed. */
  record(tokens: number, elapsedMs: number, depth: number): void {
    const tokenMs = Math.max(MIN_TOKEN_MS, elapsedMs / tokens);
    if (tokens >= BLOCK_TOKENS) {
      this.#blockTokenMs = movingAverage(this.#blockTokenMs, tokenMs);
      this.#firstPartialTokenMs = null;
    } else if (tokens >= MIN_TOKENS) {
      // A slower measurement counts at once: partial blocks get slower with the depth.
      this.#partialTokenMs = Math.max(tokenMs, movingAverage(this.#partialTokenMs, tokenMs));
      this.#firstPartialTokenMs ??= this.#partialTokenMs;
      this.#partialDepth = depth + tokens;
    }
  }

  /** Scaled by the speed-up of partial blocks: while no whole block is computed, they alone show a faster machine. */
  #expectedBlockTokenMs(): number {
    if (this.#blockTokenMs === null) return this.#partialTokenMs ?? this.#limits.targetMs / BLOCK_TOKENS;
    if (this.#partialTokenMs === null || this.#firstPartialTokenMs === null) return this.#blockTokenMs;
    return this.#blockTokenMs * Math.min(1, this.#partialTokenMs / this.#firstPartialTokenMs);
  }
}

function movingAverage(average: number | null, newest: number): number {
  return average === null ? newest : average * (1 - NEWEST_WEIGHT) + newest * NEWEST_WEIGHT;
}
