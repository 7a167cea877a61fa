import { BLOCK_TOKENS, wholeBlocks } from "./prefill-blocks.ts";

export interface PrefillChunkLimits {
  /** While streams wait, a slice should not take longer than this. */
  targetMs: number;
  /** Most tokens of a slice, at least a block. */
  maxTokens: number;
}

/** Less than this costs more in overhead than it gains in smoothness. */
const MIN_TOKENS = 8;
/** A block may take this much longer than the target: smaller slices would cost far more time in all. */
const BLOCK_TOLERANCE = 1.2;
/** Up to here the depth makes no difference worth mentioning. */
const SHALLOW_TOKENS = 256;
/** No token takes less, though a clock may say so. */
const LEAST_MS = 1e-6;
/** Weight of the newest measurement. */
const NEWEST = 0.5;
/** Decides how many tokens of a prompt are computed at once, from how long it took so far. */
export class PrefillChunkSizer {
  readonly #limits: PrefillChunkLimits;
  /** Milliseconds a token takes within whole blocks, and within less than a block. */
  #blockMs: number | null = null;
  #pieceMs: number | null = null;
  /** What a token took within less than a block when blocks were last measured. */
  #pieceMsThen: number | null = null;
  /** How deep in its context the piece was that was measured last. */
  #pieceDepth = 0;

  constructor(limits: PrefillChunkLimits) {
    this.#limits = limits;
  }

  /** @param streams running streams that wait for the slice. */
  next(streams: number): number {
    const { targetMs, maxTokens } = this.#limits;
    const blockMs = this.#expectedBlockMs();
    const fitting = Math.min(targetMs / blockMs, maxTokens);
    if (fitting >= BLOCK_TOKENS) {
      // What a block takes grows with its depth, and the estimate lags: with streams waiting, several blocks at once have
      // to fit twice. Without that a stream was seen to wait 695 ms, for two blocks where one was meant.
      const sure = streams === 0 ? fitting : Math.max(BLOCK_TOKENS, fitting / 2);
      return wholeBlocks(Math.floor(sure));
    }
    if (streams === 0 || fitting * BLOCK_TOLERANCE >= BLOCK_TOKENS) return BLOCK_TOKENS;
    const pieceMs = this.#pieceMs ?? blockMs;
    const tokens = Math.max(MIN_TOKENS, Math.min(BLOCK_TOKENS - 1, Math.floor(targetMs / pieceMs)));
    return tokens * pieceMs < BLOCK_TOKENS * blockMs ? tokens : BLOCK_TOKENS;
  }

  /**
   * Most tokens of what is left after the last whole block: what takes no longer than a block. Their kernel slows down with
   * the depth, up to in proportion: far beyond where it was measured a few are tried first.
   * @param depth tokens before them.
   */
  partialBlock(streams: number, depth: number): number {
    if (streams === 0) return BLOCK_TOKENS - 1;
    const blockMs = this.#expectedBlockMs();
    const deeper = Math.max(1, depth / Math.max(SHALLOW_TOKENS, this.#pieceDepth));
    const pieceMs = (this.#pieceMs ?? blockMs) * deeper;
    const fitting = Math.floor(Math.max(this.#limits.targetMs, BLOCK_TOKENS * blockMs) / pieceMs);
    return Math.max(MIN_TOKENS, Math.min(BLOCK_TOKENS - 1, fitting));
  }

  /** @param depth tokens before those that were computed. */
  record(tokens: number, elapsedMs: number, depth: number): void {
    const ms = Math.max(LEAST_MS, elapsedMs / tokens);
    if (tokens >= BLOCK_TOKENS) {
      this.#blockMs = mix(this.#blockMs, ms);
      this.#pieceMsThen = null;
    } else if (tokens >= MIN_TOKENS) {
      // Slower is believed at once: the deeper in the context, the longer a piece takes.
      this.#pieceMs = Math.max(ms, mix(this.#pieceMs, ms));
      this.#pieceMsThen ??= this.#pieceMs;
      this.#pieceDepth = depth + tokens;
    }
  }

  /** While no blocks are computed, a machine that gets faster is seen by the pieces. */
  #expectedBlockMs(): number {
    if (this.#blockMs === null) return this.#pieceMs ?? this.#limits.targetMs / BLOCK_TOKENS;
    if (this.#pieceMs === null || this.#pieceMsThen === null) return this.#blockMs;
    return this.#blockMs * Math.min(1, this.#pieceMs / this.#pieceMsThen);
  }
}

function mix(average: number | null, newest: number): number {
  return average === null ? newest : average * (1 - NEWEST) + newest * NEWEST;
}
