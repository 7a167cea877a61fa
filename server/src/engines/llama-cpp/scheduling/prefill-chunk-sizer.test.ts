import fc from "fast-check";
import { expect, it } from "vitest";
import { BLOCK_TOKENS } from "./prefill-blocks.ts";
import { PrefillChunkSizer } from "./prefill-chunk-sizer.ts";

/** The sizer's choice on a machine where a token takes `blockMs` in a whole block and `pieceMs` in a partial one. */
function settled(blockMs: number, pieceMs: number, streams: number): { tokens: number; worstMs: number } {
  const sizer = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
  const took: number[] = [];
  let tokens = BLOCK_TOKENS;
  for (let i = 0; i < 60; i++) {
    const elapsedMs = tokens * (tokens >= BLOCK_TOKENS ? blockMs : pieceMs);
    sizer.record(tokens, elapsedMs, 0);
    took.push(elapsedMs);
    tokens = sizer.next(streams);
  }
  return { tokens, worstMs: Math.max(...took.slice(10)) };
}

it("the sizer picks whole blocks as long as one takes not much longer than the target", () => {
  expect(settled(4, 9, 3)).toEqual({ tokens: 64, worstMs: 256 });
  // Several blocks have to fit twice while streams wait: their time grows with the depth.
  expect(settled(1, 2, 3)).toEqual({ tokens: 128, worstMs: 128 });
});

it("the sizer picks smaller chunks on a slow machine while streams wait, and whole blocks otherwise", () => {
  expect(settled(20, 20, 1).tokens).toBe(16);
  expect(settled(20, 20, 0).tokens).toBe(64);
});

it("the sizer doesn't split blocks where that would gain little or nothing", () => {
  expect(settled(8, 70, 1).tokens).toBe(64);
  expect(settled(5.9, 6, 1).tokens).toBe(64);
});

it("the sizer tries whole blocks again once the machine gets faster", () => {
  const sizer = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
  sizer.record(64, 64 * 10, 0);
  const pieces = (ms: number) => {
    for (let i = 0; i < 20; i++) {
      const tokens = sizer.next(1);
      if (tokens >= BLOCK_TOKENS) return i;
      sizer.record(tokens, tokens * ms, 0);
    }
    return null;
  };
  expect(pieces(10), "as slow as before").toBeNull();
  expect(pieces(4), "faster").toBeGreaterThan(0);
});

it("a partial block takes no longer than a whole block, however deep in the context it is", () => {
  // As measured: a token takes 5 ms at the beginning, and so much more for every 3,000 before it.
  const blockMs = (depth: number) => 5 + (0.75 * depth) / 3000;
  const pieceMs = (depth: number) => 5 + (7 * depth) / 3000;
  const depth = fc.integer({ min: 64, max: 8000 });
  fc.assert(
    fc.property(fc.array(depth, { minLength: 1, maxLength: 20 }), (depths) => {
      const sizer = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
      for (const start of depths) {
        for (let block = 0; block < 5; block++) sizer.record(64, 64 * blockMs(start), start - 64);
        for (let depth = start; depth < start + 63; ) {
          const tokens = Math.min(start + 63 - depth, sizer.partialBlock(1, depth));
          const elapsedMs = tokens * pieceMs(depth);
          expect(elapsedMs).toBeLessThan(1.15 * Math.max(320, 64 * blockMs(start)));
          sizer.record(tokens, elapsedMs, depth);
          depth += tokens;
        }
      }
      expect(sizer.partialBlock(0, depths[0]!)).toBe(63);
    }),
  );
});

it("a short prompt is not split", () => {
  for (const ms of [1, 5, 50]) {
    const sizer = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
    expect(sizer.partialBlock(3, 0)).toBe(63);
    sizer.record(64, 64 * ms, 0);
    sizer.record(50, 50 * ms, 0);
    expect(sizer.partialBlock(3, 0)).toBe(63);
  }
});

it("the sizer always picks at least one token and at most the limit", () => {
  const measured = fc.tuple(fc.integer({ min: 1, max: 256 }), fc.double({ min: 0, max: 1e6, noNaN: true }));
  fc.assert(
    fc.property(fc.array(measured), fc.integer({ min: 0, max: 64 }), (records, streams) => {
      const sizer = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
      for (const [tokens, ms] of records) sizer.record(tokens, ms, 5 * tokens);
      const [next, piece] = [sizer.next(streams), sizer.partialBlock(streams, 1000)];
      expect(Number.isInteger(next) && next >= 1 && next <= 256).toBe(true);
      expect(Number.isInteger(piece) && piece >= 3 && piece <= 63).toBe(true);
    }),
  );
});
