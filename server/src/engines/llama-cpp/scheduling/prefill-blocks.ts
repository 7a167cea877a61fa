/**
 * llama.cpp computes the attention of 64 and more tokens of a prompt by another kernel than that of fewer; it is
 * several times faster deep in a context, and its rounding differs. So prompts are computed in whole blocks of 64 tokens
 * that start at multiples of 64, and only what is left at the end as a piece of less than a block. Then a prompt leads
 * to the same state, bit for bit, in however many calls it is computed; and a state that was computed for one prompt is
 * what another prompt would have come to, as far as whole blocks go.
 */
export const BLOCK_TOKENS = 64;

/**
 * How many tokens of a prompt to compute next.
 * @param position tokens computed so far.
 * @param left tokens of the prompt to compute, ≥ 1.
 * @param most tokens to compute at once, ≥ 1. Less than a block: blocks are cut up, and the state isn't exact.
 * @param pieceMost tokens of less than a block to compute at once, ≥ 3. What is left may be cut up: its kernel computes each
 * token by itself. A token all alone may be rounded otherwise, though, so none is left over.
 */
export function nextChunkTokens(position: number, left: number, most: number, pieceMost: number): number {
  const toBlockEnd = BLOCK_TOKENS - (position % BLOCK_TOKENS);
  if (toBlockEnd < BLOCK_TOKENS || left < BLOCK_TOKENS || most < BLOCK_TOKENS) {
    const tokens = Math.min(toBlockEnd, left, most, pieceMost, BLOCK_TOKENS - 1);
    return tokens > 2 && left - tokens === 1 && tokens < toBlockEnd ? tokens - 1 : tokens;
  }
  return wholeBlocks(Math.min(left, most));
}

/**
 * How much of a slot's state can serve a prompt so that the result is the same as if nothing had been reused.
 * @param common tokens that prompt and state have in common.
 * @param exact leading tokens of the state that were computed as whole blocks.
 */
export function exactReuse(common: number, promptTokens: number, exact: number): number {
  const blocks = wholeBlocks(promptTokens);
  const whole = wholeBlocks(Math.min(common, exact));
  const most = promptTokens - 1;
  // The state's own last piece serves only where the prompt's last piece begins at the same place.
  if (whole === blocks && exact === blocks && blocks <= most) return Math.min(common, most);
  return Math.min(whole, wholeBlocks(most));
}

export function wholeBlocks(tokens: number): number {
  return tokens - (tokens % BLOCK_TOKENS);
}
