import fc from "fast-check";
import { expect, it } from "vitest";
import type { Sampling } from "../../../engine/sampling.ts";
import { needsTypicalMirostatSampler, TypicalMirostatSampler } from "./typical-mirostat-sampler.ts";

/** `[token, logit, …]` of tokens 0, 1, … with these probabilities, which must fall. */
const logits = (...probabilities: number[]) => probabilities.flatMap((p, i) => [i, Math.log(p)]);

/** How often each token comes in `count` draws. */
function shares(sampling: Sampling, sorted: readonly number[], count = 20_000): number[] {
  const sampler = new TypicalMirostatSampler({ seed: 1, ...sampling });
  const result = new Array<number>(sorted.length / 2).fill(0);
  for (let i = 0; i < count; i++) result[sampler.sample(sorted)]! += 1 / count;
  return result;
}

function expectShares(actual: number[], expected: number[]): void {
  for (const [token, share] of expected.entries())
    expect(Math.abs(actual[token]! - share)).toBeLessThan(0.015);
}

it("the sampler draws each token with its probability when nothing is cut off", () => {
  expectShares(shares({ temperature: 1 }, logits(0.5, 0.3, 0.15, 0.05)), [0.5, 0.3, 0.15, 0.05]);
});

it("temperature 2 takes the square root of the odds", () => {
  expectShares(shares({ temperature: 2 }, logits(0.8, 0.2)), [2 / 3, 1 / 3]);
});

it("typicalP keeps the tokens whose surprise is nearest the entropy", () => {
  // Entropy 1.168 nats; distances of the surprise from it: 0.475, 0.036 (p 0.3), 0.729 and 1.828.
  const sorted = logits(0.5, 0.3, 0.15, 0.05);
  expectShares(shares({ typicalP: 0.2 }, sorted), [0, 1, 0, 0]);
  expectShares(shares({ typicalP: 0.4 }, sorted), [0.625, 0.375, 0, 0]);
  expectShares(shares({ typicalP: 0.9 }, sorted), [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]);
});

it("typicalP can leave out the most probable token", () => {
  const sorted = logits(0.4, ...new Array(60).fill(0.01));
  expect(shares({ typicalP: 0.3 }, sorted, 500)[0]).toBe(0);
});

it("the sampler applies top-k before typicalP, and top-p and min-p after it", () => {
  const sorted = logits(0.4, 0.3, 0.2, 0.1);
  expectShares(shares({ topK: 2, typicalP: 0.99 }, sorted), [4 / 7, 3 / 7, 0, 0]);
  expectShares(shares({ typicalP: 0.999, topP: 0.65 }, sorted), [4 / 7, 3 / 7, 0, 0]);
  expectShares(shares({ typicalP: 0.999, minP: 0.5 }, sorted), [4 / 9, 3 / 9, 2 / 9, 0]);
});

it("mirostat's first draw keeps no token that is more surprising than twice its target", () => {
  const sorted = logits(0.5, 0.25, 0.125, 0.125);
  // The first draw: at most 2 bits, so tokens 0 and 1, two to one.
  const first = [0, 0, 0, 0];
  for (let seed = 0; seed < 6000; seed++) {
    const sampler = new TypicalMirostatSampler({ seed, mirostat: { target: 1, learningRate: 0.5 } });
    first[sampler.sample(sorted)]! += 1 / 6000;
  }
  expectShares(first, [2 / 3, 1 / 3, 0, 0]);
});

it("mirostat's average surprise approaches the target", () => {
  const probabilities = Array.from({ length: 200 }, (_, i) => 1 / (i + 1));
  const sum = probabilities.reduce((a, b) => a + b);
  const sorted = logits(...probabilities.map((p) => p / sum));
  for (const target of [2, 3, 4]) {
    const sampler = new TypicalMirostatSampler({ seed: 3, mirostat: { target, learningRate: 0.1 } });
    let surprise = 0;
    for (let i = 0; i < 6000; i++) surprise -= Math.log2(probabilities[sampler.sample(sorted)]! / sum) / 6000;
    // Surprise here is in the whole distribution, Mirostat's in the cut one: it is the larger.
    expect(surprise).toBeGreaterThan(target - 0.1);
    expect(surprise).toBeLessThan(target + 1.5);
  }
});

it("the sampler never picks an impossible token, whatever the parameters", () => {
  const sampling = fc.record(
    {
      temperature: fc.double({ min: 0.1, max: 2, noNaN: true }),
      topK: fc.nat(10),
      topP: fc.double({ min: 0, max: 1, noNaN: true }),
      minP: fc.double({ min: 0, max: 1, noNaN: true }),
      typicalP: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.integer(),
      mirostat: fc.record({
        target: fc.double({ min: 0.01, max: 20, noNaN: true }),
        learningRate: fc.double({ min: 0.01, max: 2, noNaN: true }),
      }),
    },
    { requiredKeys: [] },
  );
  const values = fc.array(fc.double({ min: -200, max: 200, noNaN: true }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sampling, values, (parameters, raw) => {
      const best = [...raw].sort((a, b) => b - a);
      const sorted = [...best, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY].flatMap((l, i) => [i, l]);
      const sampler = new TypicalMirostatSampler(parameters as Sampling);
      for (let i = 0; i < 5; i++) expect(sampler.sample(sorted)).toBeLessThan(best.length);
    }),
  );
});

it("the sampler is needed only for typicalP and mirostat at a temperature above 0", () => {
  expect(needsTypicalMirostatSampler({ topP: 0.5 })).toBe(false);
  expect(needsTypicalMirostatSampler({ typicalP: 0.5 })).toBe(true);
  expect(needsTypicalMirostatSampler({ typicalP: 1 })).toBe(false);
  expect(needsTypicalMirostatSampler({ temperature: 0, mirostat: { target: 5, learningRate: 0.1 } })).toBe(
    false,
  );
});
