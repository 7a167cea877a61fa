import { expect, it } from "vitest";
import { BatchCosts } from "./batch-costs.ts";

it("BatchCosts interpolates between the measured sizes and extrapolates beyond them", () => {
  const costs = new BatchCosts([
    { tokens: 1, ms: 10 },
    { tokens: 8, ms: 24 },
    { tokens: 24, ms: 40 },
  ]);
  expect([1, 2, 8, 16, 24, 40].map((tokens) => costs.of(tokens).toFixed(3)).map(Number)).toEqual([
    1, 1.2, 2.4, 3.2, 4, 5.6,
  ]);
});
