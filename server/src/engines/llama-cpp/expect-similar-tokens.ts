/** For tests only. */
import { expect } from "vitest";
import type { TokenInfo } from "../../engine/generation.ts";

/** How far rounding may move a probability's logarithm: in batches of another size sums are added up in another order. */
const ROUNDING = 0.03;

/** The same tokens, about as probable; up to where two are, as good as equally, the best. Both need `logprobs` of 2 or more. */
export function expectSimilarTokens(made: readonly TokenInfo[], expected: readonly TokenInfo[]): void {
  for (const [i, token] of made.entries()) {
    const wanted = expected[i]!;
    expect(Math.abs((token.logprob ?? 0) - (wanted.logprob ?? 0))).toBeLessThan(ROUNDING);
    if (token.id === wanted.id) continue;
    expect(wanted.top.map(({ id }) => id)).toContain(token.id);
    return;
  }
  expect(made.length).toBe(expected.length);
}
