import fc from "fast-check";
import { expect, it } from "vitest";
import { BLOCK_TOKENS, exactReuse, nextChunkTokens, wholeBlocks } from "./prefill-blocks.ts";
import { Slot } from "./slot.ts";

const tokens = (most: number) => fc.integer({ min: 1, max: most });

type Kernel = "block" | "piece" | "alone";

const kernelOf = (tokens: number): Kernel =>
  tokens >= BLOCK_TOKENS ? "block" : tokens > 1 ? "piece" : "alone";

/** The kernel that computes each token of a prompt. */
function kernels(from: number, promptTokens: number, most: () => number, pieceMost: () => number): Kernel[] {
  const result: Kernel[] = [];
  for (let at = from; at < promptTokens; ) {
    const piece = nextChunkTokens(at, promptTokens - at, {
      maxTokens: most(),
      maxPartialTokens: pieceMost(),
    });
    expect(piece).toBeGreaterThan(0);
    expect(at + piece).toBeLessThanOrEqual(promptTokens);
    result.push(...new Array<Kernel>(piece).fill(kernelOf(piece)));
    at += piece;
  }
  return result;
}

it("a prompt is computed as whole blocks and a rest without a single token, whatever the chunk limits", () => {
  const sizes = fc.array(fc.tuple(tokens(300), fc.integer({ min: 3, max: 63 })), { minLength: 1 });
  fc.assert(
    fc.property(tokens(700), sizes, (promptTokens, sizes) => {
      let i = 0;
      const most = () => Math.max(BLOCK_TOKENS, sizes[i++ % sizes.length]![0]);
      const pieceMost = () => sizes[i % sizes.length]![1];
      const whole = wholeBlocks(promptTokens);
      const rest = kernelOf(promptTokens - whole);
      const expected = Array.from({ length: promptTokens }, (_, at) => (at < whole ? "block" : rest));
      expect(kernels(0, promptTokens, most, pieceMost)).toEqual(expected);
    }),
  );
});

it("a chunk never exceeds its limits", () => {
  const pieceMost = fc.integer({ min: 3, max: 63 });
  fc.assert(
    fc.property(tokens(700), tokens(700), tokens(300), pieceMost, (position, left, most, pieceMost) => {
      const piece = nextChunkTokens(position, left, { maxTokens: most, maxPartialTokens: pieceMost });
      expect(piece).toBeLessThanOrEqual(Math.min(left, most));
      if (piece < BLOCK_TOKENS) expect(piece).toBeLessThanOrEqual(pieceMost);
    }),
  );
});

it("exact reuse takes only tokens that an empty slot would have computed by the same kernel", () => {
  // The slot's history: a prompt in chunks of any size, then tokens generated one by one.
  const before = fc.record({
    promptTokens: tokens(500),
    made: fc.integer({ min: 0, max: 200 }),
    sizes: fc.array(tokens(300), { minLength: 1, maxLength: 5 }),
  });
  // With most weight types a single token is rounded like one in a partial block.
  const isBlock = (kernel: Kernel) => kernel === "block";
  const oneBlock = () => BLOCK_TOKENS;
  fc.assert(
    fc.property(before, tokens(700), tokens(700), ({ promptTokens, made, sizes }, nextTokens, overlap) => {
      const slot = new Slot(0);
      const held: boolean[] = [];
      for (let i = 0; held.length < promptTokens; i++) {
        const position = held.length;
        const size = sizes[i % sizes.length]!;
        const piece = nextChunkTokens(position, promptTokens - position, {
          maxTokens: size,
          maxPartialTokens: Math.max(3, size),
        });
        for (let k = 0; k < piece; k++) held.push(piece >= BLOCK_TOKENS);
        slot.recordComputed(position, piece);
      }
      for (let k = 0; k < made; k++) held.push(false);
      const common = Math.min(overlap, nextTokens, held.length);
      const reuse = exactReuse(common, nextTokens, slot.exactTokens);
      expect(reuse).toBeLessThanOrEqual(common);
      expect(reuse).toBeLessThan(nextTokens);
      const computed = kernels(reuse, nextTokens, oneBlock, oneBlock).map(isBlock);
      expect([...held.slice(0, reuse), ...computed]).toEqual(
        kernels(0, nextTokens, oneBlock, oneBlock).map(isBlock),
      );
    }),
    { numRuns: 2000 },
  );
});
