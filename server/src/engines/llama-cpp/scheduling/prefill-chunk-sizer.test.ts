import fc from "fast-check";
import { expect, it } from "vitest";
import { contextTokens, resolveOptions } from "../options.ts";
import { BLOCK_TOKENS } from "./prefill-blocks.ts";
import { PrefillChunkSizer } from "./prefill-chunk-sizer.ts";

/** A machine on which a token takes `blockMs` within a block and `pieceMs` within less. */
function settled(blockMs: number, pieceMs: number, streams: number): { tokens: number; worstMs: number } {
  const slices = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
  const took: number[] = [];
  let tokens = BLOCK_TOKENS;
  for (let i = 0; i < 60; i++) {
    const elapsedMs = tokens * (tokens >= BLOCK_TOKENS ? blockMs : pieceMs);
    slices.record(tokens, elapsedMs, 0);
    took.push(elapsedMs);
    tokens = slices.next(streams);
  }
  return { tokens, worstMs: Math.max(...took.slice(10)) };
}

it("uses whole blocks as long as one takes not much longer than the target", () => {
  expect(settled(4, 9, 3)).toEqual({ tokens: 64, worstMs: 256 });
  // Several blocks have to fit twice while streams wait: their time grows with the depth.
  expect(settled(1, 2, 3)).toEqual({ tokens: 128, worstMs: 128 });
});

it("uses smaller slices on a slower machine while streams wait, and whole blocks when none does", () => {
  expect(settled(20, 20, 1).tokens).toBe(16);
  expect(settled(20, 20, 0).tokens).toBe(64);
});

it("doesn't cut up blocks where that would gain little or nothing", () => {
  expect(settled(8, 70, 1).tokens).toBe(64);
  expect(settled(5.9, 6, 1).tokens).toBe(64);
});

it("tries blocks again after the machine was busy with something else", () => {
  const slices = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
  slices.record(64, 64 * 10, 0);
  const pieces = (ms: number) => {
    for (let i = 0; i < 20; i++) {
      const tokens = slices.next(1);
      if (tokens >= BLOCK_TOKENS) return i;
      slices.record(tokens, tokens * ms, 0);
    }
    return null;
  };
  expect(pieces(10), "as slow as before").toBeNull();
  expect(pieces(4), "faster").toBeGreaterThan(0);
});

it("cuts what is left of a prompt to what takes no longer than a block, however deep it is", () => {
  // As measured: a token takes 5 ms at the beginning, and so much more for every 3,000 before it.
  const blockMs = (depth: number) => 5 + (0.75 * depth) / 3000;
  const pieceMs = (depth: number) => 5 + (7 * depth) / 3000;
  const depth = fc.integer({ min: 64, max: 8000 });
  fc.assert(
    fc.property(fc.array(depth, { minLength: 1, maxLength: 20 }), (depths) => {
      const slices = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
      for (const start of depths) {
        for (let block = 0; block < 5; block++) slices.record(64, 64 * blockMs(start), start - 64);
        for (let depth = start; depth < start + 63; ) {
          const tokens = Math.min(start + 63 - depth, slices.partialBlock(1, depth));
          const elapsedMs = tokens * pieceMs(depth);
          expect(elapsedMs).toBeLessThan(1.15 * Math.max(320, 64 * blockMs(start)));
          slices.record(tokens, elapsedMs, depth);
          depth += tokens;
        }
      }
      expect(slices.partialBlock(0, depths[0]!)).toBe(63);
    }),
  );
});

it("leaves short prompts whole", () => {
  for (const ms of [1, 5, 50]) {
    const slices = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
    expect(slices.partialBlock(3, 0)).toBe(63);
    slices.record(64, 64 * ms, 0);
    slices.record(50, 50 * ms, 0);
    expect(slices.partialBlock(3, 0)).toBe(63);
  }
});

it("always gives a slice of at least a token and at most the limit", () => {
  const measured = fc.tuple(fc.integer({ min: 1, max: 256 }), fc.double({ min: 0, max: 1e6, noNaN: true }));
  fc.assert(
    fc.property(fc.array(measured), fc.integer({ min: 0, max: 64 }), (records, streams) => {
      const slices = new PrefillChunkSizer({ targetMs: 320, maxTokens: 256 });
      for (const [tokens, ms] of records) slices.record(tokens, ms, 5 * tokens);
      const [next, piece] = [slices.next(streams), slices.partialBlock(streams, 1000)];
      expect(Number.isInteger(next) && next >= 1 && next <= 256).toBe(true);
      expect(Number.isInteger(piece) && piece >= 3 && piece <= 63).toBe(true);
    }),
  );
});

it("never takes every core by default, and bounds the contexts by memory", () => {
  const resolve = (cores: number) =>
    resolveOptions({ modelPath: "m" }, { cores, memoryBytes: 8 * 1024 ** 3 });
  expect([1, 2, 4, 16, 64].map((cores) => resolve(cores).threads)).toEqual([1, 1, 2, 8, 8]);
  const options = resolve(4);
  const tokens = (bytesPerToken: number) => contextTokens(options, { trainedTokens: 8192, bytesPerToken });
  expect(tokens(23_040)).toBe(8192);
  expect(tokens(100_000)).toBe(2560);
  expect(tokens(1e9)).toBe(256);
  expect(contextTokens({ ...options, contextSize: 100_000 }, { trainedTokens: 8192, bytesPerToken: 1 })).toBe(
    8192,
  );
  expect(contextTokens({ ...options, contextSize: 1000 }, { trainedTokens: 8192, bytesPerToken: 1 })).toBe(
    1000,
  );
});
