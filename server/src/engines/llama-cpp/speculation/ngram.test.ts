import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchCosts } from "./batch-costs.ts";
import { NgramProposer } from "./ngram.ts";

const costs = (ofMany: number) =>
  new BatchCosts([
    { tokens: 1, ms: 10 },
    { tokens: 24, ms: ofMany },
  ]);

describe("the n-gram proposer", () => {
  it("proposes the tokens that followed the last n-gram most recently, in prompt or output", () => {
    const lookup = new NgramProposer([1, 2, 3, 4, 5, 1, 2], { length: 2, tokens: 3 }, costs(10));
    expect(lookup.propose(10)).toEqual([3, 4, 5]);
    expect(lookup.propose(2)).toEqual([3, 4]);
    for (const token of [9, 9, 1, 2]) lookup.onToken(token);
    expect(lookup.propose(10)).toEqual([9, 9, 1]);
  });

  it("proposes nothing where the n-gram is new or the text is shorter than it", () => {
    expect(new NgramProposer([1, 2, 3], { length: 2, tokens: 3 }, costs(10)).propose(10)).toEqual([]);
    expect(new NgramProposer([], { length: 2, tokens: 3 }, costs(10)).propose(10)).toEqual([]);
  });

  it("proposes nothing by default where guesses cost more than they save", () => {
    const prompt = [1, 2, 3, 1, 2];
    expect(
      new NgramProposer(prompt, { length: 2, tokens: null }, costs(12)).propose(10).length,
    ).toBeGreaterThan(0);
    expect(new NgramProposer(prompt, { length: 2, tokens: null }, costs(240)).propose(10)).toEqual([]);
  });

  it("proposes only text that followed the last n-gram, and counts the accepted tokens", () => {
    const token = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(
        fc.array(token),
        fc.array(token),
        fc.integer({ min: 1, max: 4 }),
        (prompt, output, length) => {
          const lookup = new NgramProposer(prompt, { length, tokens: 4 }, costs(10));
          const text = [...prompt];
          let [accepted, guessed] = [0, 0];
          let pending: readonly number[] = [];
          for (const made of output) {
            if (pending.length === 0) {
              pending = lookup.propose(4);
              guessed += pending.length;
              const end = text.slice(-length).join();
              const places = text.map((_, i) => text.slice(i - length, i).join() === end && i >= length);
              const found = text.map((_, i) => text.slice(i, i + pending.length).join());
              if (pending.length > 0) {
                expect(found.some((piece, i) => places[i] && piece === pending.join())).toBe(true);
              }
            }
            lookup.onToken(made);
            text.push(made);
            if (pending[0] === made) accepted++;
            pending = pending[0] === made ? pending.slice(1) : [];
          }
          expect(lookup.acceptedTokens).toBe(accepted);
          expect(lookup.acceptedTokens + lookup.rejectedTokens).toBe(guessed - pending.length);
        },
      ),
    );
  });
});
