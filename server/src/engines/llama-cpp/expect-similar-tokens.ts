/** For tests only. */
import { expect } from "vitest";
import type { TokenInfo } from "../../engine/generation.ts";

/** Tolerance for a log probability: batches of another size add up their sums in another order. */
const ROUNDING = 0.03;

/**
 * Expects the same tokens with about the same log probabilities, up to the first place where two tokens are about
 * equally probable. Both lists need `logprobs` of at least 2.
 */
export function expectSimilarTokens(actual: readonly TokenInfo[], expected: readonly TokenInfo[]): void {
  for (const [i, token] of actual.entries()) {
    const wanted = expected[i]!;
    expect(Math.abs((token.logprob ?? 0) - (wanted.logprob ?? 0))).toBeLessThan(ROUNDING);
    if (token.id === wanted.id) continue;
    expect(wanted.top.map(({ id }) => id)).toContain(token.id);
    return;
  }
  expect(actual.length).toBe(expected.length);
}
