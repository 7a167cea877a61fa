import fc from "fast-check";
import { expect, it } from "vitest";
import { BLOCK_TOKENS, exactReuse, nextPiece, wholeBlocks } from "./blocks.ts";
import { Slot } from "./slots.ts";

const tokens = (most: number) => fc.integer({ min: 1, max: most });

/** By which kernel each token of a prompt is computed: true for whole blocks. */
function kernels(from: number, promptTokens: number, most: () => number): boolean[] {
  const result: boolean[] = [];
  for (let at = from; at < promptTokens; ) {
    const piece = nextPiece(at, promptTokens - at, most());
    expect(piece).toBeGreaterThan(0);
    expect(at + piece).toBeLessThanOrEqual(promptTokens);
    for (let i = 0; i < piece; i++) result.push(piece >= BLOCK_TOKENS);
    at += piece;
  }
  return result;
}

it("computes every prompt as whole blocks and a rest, however large the pieces are", () => {
  fc.assert(
    fc.property(tokens(700), fc.array(tokens(300), { minLength: 1 }), (promptTokens, sizes) => {
      let i = 0;
      const most = () => Math.max(BLOCK_TOKENS, sizes[i++ % sizes.length]!);
      const expected = Array.from({ length: promptTokens }, (_, at) => at < wholeBlocks(promptTokens));
      expect(kernels(0, promptTokens, most)).toEqual(expected);
    }),
  );
});

it("never takes more than it is told to, unless that is less than nothing", () => {
  fc.assert(
    fc.property(tokens(700), tokens(700), tokens(300), (position, left, most) => {
      expect(nextPiece(position, left, most)).toBeLessThanOrEqual(most);
    }),
  );
});

it("reuses exactly only what a computation from nothing would have made the same way", () => {
  // What ran in the slot before: a prompt in pieces of any size, and tokens made one by one.
  const before = fc.record({
    promptTokens: tokens(500),
    made: fc.integer({ min: 0, max: 200 }),
    sizes: fc.array(tokens(300), { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(before, tokens(700), tokens(700), ({ promptTokens, made, sizes }, nextTokens, overlap) => {
      const slot = new Slot(0);
      const held: boolean[] = [];
      for (let i = 0; held.length < promptTokens; i++) {
        const position = held.length;
        const piece = nextPiece(position, promptTokens - position, sizes[i % sizes.length]!);
        for (let k = 0; k < piece; k++) held.push(piece >= BLOCK_TOKENS);
        slot.computed(position, piece);
      }
      for (let k = 0; k < made; k++) held.push(false);
      const common = Math.min(overlap, nextTokens, held.length);
      const reuse = exactReuse(common, nextTokens, slot.exactTokens);
      expect(reuse).toBeLessThanOrEqual(common);
      expect(reuse).toBeLessThan(nextTokens);
      const warm = [...held.slice(0, reuse), ...kernels(reuse, nextTokens, () => BLOCK_TOKENS)];
      expect(warm).toEqual(kernels(0, nextTokens, () => BLOCK_TOKENS));
    }),
    { numRuns: 2000 },
  );
});
