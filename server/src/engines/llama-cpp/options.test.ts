import { expect, it } from "vitest";
import { contextTokens, resolveOptions } from "./options.ts";

const resolve = (cores: number) => resolveOptions({ modelPath: "m" }, { cores, memoryBytes: 8 * 1024 ** 3 });

it("the default number of threads leaves half of the cores to the rest of the machine", () => {
  expect([1, 2, 4, 16, 64].map((cores) => resolve(cores).threads)).toEqual([1, 1, 2, 8, 8]);
});

it("the context is bounded by the memory, by the trained size and by the requested size", () => {
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
