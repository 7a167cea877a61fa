/**
 * Tokens of a block. llama.cpp computes the attention of 64 and more tokens by another kernel than that of fewer: it is
 * several times faster deep in a context, and rounds differently. So prompts are computed in whole blocks of 64 tokens
 * that start at multiples of 64, and only the rest as a partial block. A prompt then leads to the same state, bit for
 * bit, in however many calls it is computed; and the whole blocks of one prompt's state are exactly those that another
 * prompt with the same beginning would compute.
 */
export const BLOCK_TOKENS = 64;

export interface ChunkLimits {
  /** Most tokens in one call, ≥ 1. Fewer than a block: blocks are split, and the state is not exact. */
  maxTokens: number;
  /**
   * Most tokens of a partial block in one call, ≥ 3. Splitting a partial block changes nothing, as its kernel computes
   * each token by itself; but a single token may be rounded differently, so none is left over.
   */
  maxPartialTokens: number;
}

/**
 * How many tokens of a prompt to compute in the next call.
 * @param position tokens computed so far.
 * @param left tokens left to compute, ≥ 1.
 */
export function nextChunkTokens(
  position: number,
  left: number,
  { maxTokens, maxPartialTokens }: ChunkLimits,
): number {
  const toBlockEnd = BLOCK_TOKENS - (position % BLOCK_TOKENS);
  if (toBlockEnd < BLOCK_TOKENS || left < BLOCK_TOKENS || maxTokens < BLOCK_TOKENS) {
    const tokens = Math.min(toBlockEnd, left, maxTokens, maxPartialTokens, BLOCK_TOKENS - 1);
    return tokens > 2 && left - tokens === 1 && tokens < toBlockEnd ? tokens - 1 : tokens;
  }
  return wholeBlocks(Math.min(left, maxTokens));
}

/**
 * How many tokens of a slot's state a prompt can reuse with the same result as if it had reused none.
 * @param common length of the prefix that prompt and state share.
 * @param exact leading tokens of the state that were computed as whole blocks.
 */
export function exactReuse(common: number, promptTokens: number, exact: number): number {
  const promptBlocks = wholeBlocks(promptTokens);
  const sharedBlocks = wholeBlocks(Math.min(common, exact));
  const most = promptTokens - 1;
  // The state's partial block can serve only when the prompt's partial block begins at the same position.
  if (sharedBlocks === promptBlocks && exact === promptBlocks && promptBlocks <= most) {
    return Math.min(common, most);
  }
  return Math.min(sharedBlocks, wholeBlocks(most));
}

/** Rounds down to a multiple of `BLOCK_TOKENS`. */
export function wholeBlocks(tokens: number): number {
  return tokens - (tokens % BLOCK_TOKENS);
}
