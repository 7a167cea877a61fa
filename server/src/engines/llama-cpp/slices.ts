export interface SliceLimits {
  /** A slice with running streams beside it should take this long. */
  targetMs: number;
  /** Most tokens of a slice. */
  maxTokens: number;
}

/** Slices smaller than this cost more in overhead than they gain in smoothness. */
const MIN_TOKENS = 16;
/** Nobody waits for a token: slices may take longer, which is a little faster over all, but still end soon on an abort. */
const ALONE_FACTOR = 2;

/** Decides how many tokens of a prompt go into one batch, from how long the batches so far took. */
export class SliceSizer {
  readonly #limits: SliceLimits;
  #msPerToken: number | null = null;
  #lastTokens = MIN_TOKENS;

  constructor(limits: SliceLimits) {
    this.#limits = limits;
  }

  /** @param streams running streams that will share the batch, one token each. */
  next(streams: number): number {
    const targetMs = streams === 0 ? this.#limits.targetMs * ALONE_FACTOR : this.#limits.targetMs;
    // At most doubled: one batch measured too fast must not make the next one far too long.
    const fitting = this.#msPerToken === null ? MIN_TOKENS : targetMs / this.#msPerToken - streams;
    const tokens = Math.floor(Math.min(fitting, this.#lastTokens * 2, this.#limits.maxTokens));
    return Math.max(MIN_TOKENS, tokens);
  }

  /** @param tokens of the whole batch. */
  record(tokens: number, elapsedMs: number): void {
    const msPerToken = elapsedMs / tokens;
    this.#msPerToken = this.#msPerToken === null ? msPerToken : (this.#msPerToken + msPerToken) / 2;
    this.#lastTokens = Math.max(MIN_TOKENS, tokens);
  }
}
