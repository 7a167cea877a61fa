import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AdaptiveLimit } from "./adaptive-limit.ts";

const MINUTE_MS = 60_000;

/** Uses `part` of the limit in each of the minutes. @returns the time afterwards. */
function sustain(limit: AdaptiveLimit, minutes: number, part: number, startMs: number): number {
  for (let minute = 0; minute < minutes; minute++) {
    limit.use(limit.limit * part);
    limit.roll(startMs + (minute + 1) * MINUTE_MS);
  }
  return startMs + minutes * MINUTE_MS;
}

describe("an adaptive limit", () => {
  test.each([
    ["requests", 60, 120, 720, 1_440],
    ["prompt tokens", 60_000, 120_000, 720_000, 1_440_000],
    ["generated tokens", 6_000, 12_000, 72_000, 144_000],
  ])(
    "of %s is %i at first, %i after ten minutes of sustained use, %i after an hour, %i after two hours",
    (_, ...table) => {
      const limit = new AdaptiveLimit(table[0]!, 100, 0);
      const limits = [limit.limit];
      let nowMs = 0;
      for (const minutes of [10, 50, 60]) {
        nowMs = sustain(limit, minutes, 0.9, nowMs);
        limits.push(limit.limit);
      }
      expect(limits).toEqual(table);
    },
  );

  test("shrinks by one step for each minute of low use, and never grows beyond its maximum", () => {
    const limit = new AdaptiveLimit(60, 4, 0);
    let nowMs = sustain(limit, 100, 1, 0);
    expect(limit.limit).toBe(240);
    nowMs = sustain(limit, 5, 0.5, nowMs);
    expect(limit.limit).toBe(180);
    limit.roll(nowMs + 1_000 * MINUTE_MS);
    expect(limit.limit).toBe(60);
    expect(limit.remaining).toBe(60);
  });

  const event = fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 90_000 })),
    charge: fc.integer({ min: -50, max: 120 }),
    use: fc.integer({ min: 0, max: 120 }),
  });

  test("always equals a simple token bucket that is updated every millisecond", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const limit = new AdaptiveLimit(60, 3, 0);
        const model = { level: 60, minutes: 0, used: 0, limit: () => Math.max(60, 12 * model.minutes) };
        let nowMs = 0;
        for (const { afterMs, charge, use } of events) {
          for (let ms = nowMs + 1; ms <= nowMs + afterMs; ms++) {
            model.level = Math.min(model.limit(), model.level + model.limit() / MINUTE_MS);
            if (ms % MINUTE_MS !== 0) continue;
            const isNear = model.used >= 0.8 * model.limit();
            model.minutes = isNear ? Math.min(15, model.minutes + 1) : Math.max(0, model.minutes - 1);
            model.used = 0;
          }
          nowMs += afterMs;
          limit.roll(nowMs);
          limit.charge(charge);
          limit.use(use);
          model.level = Math.min(model.limit(), model.level - charge);
          model.used += use;
          expect(limit.limit).toBe(model.limit());
          expect(limit.remaining).toBeGreaterThanOrEqual(Math.floor(Math.max(0, model.level - 0.01)));
          expect(limit.remaining).toBeLessThanOrEqual(Math.floor(Math.max(0, model.level + 0.01)));
        }
      }),
      { numRuns: 60 },
    );
  });
});
