import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchCosts } from "./batch-costs.ts";
import { PredictedOutputProposer } from "./predicted-output.ts";

/** With `cheap`, many tokens cost hardly more than one; with `dear`, each costs as much as the first. */
const cheap = new BatchCosts([
  { tokens: 1, ms: 10 },
  { tokens: 24, ms: 12 },
]);
const dear = new BatchCosts([
  { tokens: 1, ms: 10 },
  { tokens: 24, ms: 240 },
]);

/** The number of batches that `output` takes. */
function batches(output: readonly number[], proposer: PredictedOutputProposer): number {
  let made = 0;
  for (let count = 1; ; count++) {
    const guess = proposer.propose(output.length - made - 1);
    let right = 0;
    do proposer.onToken(output[made]!);
    while (guess[right] === output[made++] && ++right <= guess.length && made < output.length);
    if (made >= output.length) return count;
  }
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe("a prediction", () => {
  it("that is right needs few batches", () => {
    const proposer = new PredictedOutputProposer(numbers(0, 400), cheap);
    expect(batches(numbers(0, 400), proposer)).toBeLessThan(40);
    expect([proposer.acceptedTokens, proposer.rejectedTokens]).toEqual([400, 0]);
  });

  it("is found again after parts were left out, added, replaced or moved", () => {
    const prediction = numbers(0, 400);
    const changed = {
      "left out": [...numbers(0, 100), ...numbers(180, 220)],
      added: [...numbers(0, 200), ...numbers(1000, 40), ...numbers(200, 200)],
      replaced: [...numbers(0, 150), ...numbers(1000, 80), ...numbers(230, 170)],
      moved: [...numbers(200, 200), ...numbers(0, 200)],
    };
    for (const output of Object.values(changed)) {
      expect(batches(output, new PredictedOutputProposer(prediction, cheap))).toBeLessThan(output.length / 2);
    }
  });

  it("is not used where it would cost more than it saves", () => {
    const right = new PredictedOutputProposer(numbers(0, 400), dear);
    expect(batches(numbers(0, 400), right)).toBe(400);
    expect(right.acceptedTokens).toBe(400);
    const never = new PredictedOutputProposer(numbers(0, 400), cheap);
    expect(batches(numbers(1000, 400), never)).toBeGreaterThan(390);
    expect([never.acceptedTokens, never.rejectedTokens]).toEqual([0, 400]);
  });

  it("never proposes more tokens than requested, nor tokens that aren't in it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(5), { maxLength: 40 }),
        fc.array(fc.nat(5), { maxLength: 40 }),
        fc.nat(10),
        (prediction, output, most) => {
          const proposer = new PredictedOutputProposer(prediction, cheap);
          for (const token of output) {
            const guess = proposer.propose(most);
            expect(guess.length).toBeLessThanOrEqual(most);
            expect(prediction.join().includes(guess.join())).toBe(true);
            proposer.onToken(token);
          }
        },
      ),
    );
  });
});
