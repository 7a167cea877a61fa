import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LoadSample, SlidingLoadAverage, SlidingMaximum } from "./sliding-windows.ts";

const reading = (overrides: Partial<LoadSample>): LoadSample => ({
  concurrentRequests: 0,
  requests: 0,
  generatedTokens: 0,
  promptTokens: 0,
  ...overrides,
});

describe("averages over a window", () => {
  it("approach a constant load as the window fills, and stay there", () => {
    const window = new SlidingLoadAverage();
    const averages = [0, 1000, 2000, 3000, 4000, 5000].map((atMs) =>
      window.add(atMs, reading({ concurrentRequests: 6, generatedTokens: atMs / 10 }), 3000),
    );
    expect(averages.map(({ concurrentRequests }) => concurrentRequests)).toEqual([0, 2, 4, 6, 6, 6]);
    expect(averages.map(({ generatedTokensPerS }) => Math.round(generatedTokensPerS))).toEqual([
      0, 33, 67, 100, 100, 100,
    ]);
  });

  it("forget values that have left the window", () => {
    const window = new SlidingLoadAverage();
    window.add(0, reading({}), 1000);
    window.add(500, reading({ concurrentRequests: 10, requests: 100 }), 1000);
    window.add(1500, reading({ requests: 100 }), 1000);
    expect(window.add(2500, reading({ requests: 100 }), 1000)).toEqual({
      concurrentRequests: 0,
      requestsPerS: 0,
      generatedTokensPerS: 0,
      promptTokensPerS: 0,
    });
  });

  it("equal the latest value without a window", () => {
    const window = new SlidingLoadAverage();
    window.add(0, reading({}), 0);
    expect(window.add(500, reading({ concurrentRequests: 3, promptTokens: 50 }), 0)).toMatchObject({
      concurrentRequests: 3,
      promptTokensPerS: 100,
    });
  });

  it("lie between the lowest and the highest value", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.nat(100)), { minLength: 1 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 20_000 }), (readings, windowMs) => {
        const window = new SlidingLoadAverage();
        let atMs = 0;
        window.add(atMs, reading({}), windowMs);
        for (const [stepMs, concurrentRequests] of readings) {
          atMs += stepMs;
          const average = window.add(atMs, reading({ concurrentRequests }), windowMs).concurrentRequests;
          expect(average).toBeGreaterThanOrEqual(0);
          expect(average).toBeLessThanOrEqual(Math.max(...readings.map(([, value]) => value)) + 1e-9);
        }
      }),
    );
  });
});

it("the peak is the highest value of the window", () => {
  const steps = fc.array(fc.tuple(fc.nat(50), fc.nat(20)));
  fc.assert(
    fc.property(steps, fc.nat(200), (values, windowMs) => {
      const peak = new SlidingMaximum();
      const samples: { atMs: number; value: number }[] = [];
      let atMs = 0;
      for (const [stepMs, value] of values) {
        atMs += stepMs;
        samples.push({ atMs, value });
        const inside = samples.filter((entry) => entry.atMs >= atMs - windowMs);
        expect(peak.add(atMs, value, windowMs)).toBe(Math.max(...inside.map((entry) => entry.value)));
      }
    }),
  );
});
