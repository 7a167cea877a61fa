import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AdaptiveLimit } from "./adaptive-limit.ts";

const MINUTE_MS = 60_000;

/** Uses `part` of the limit in each of the minutes. */
function sustain(guarantee: AdaptiveLimit, minutes: number, part: number, startMs: number): number {
  for (let minute = 0; minute < minutes; minute++) {
    guarantee.use(guarantee.limit * part);
    guarantee.roll(startMs + (minute + 1) * MINUTE_MS);
  }
  return startMs + minutes * MINUTE_MS;
}

describe("a guaranteed limit", () => {
  test.each([
    ["requests", 60, 120, 720, 1_440],
    ["prompt tokens", 60_000, 120_000, 720_000, 1_440_000],
    ["generated tokens", 6_000, 12_000, 72_000, 144_000],
  ])("of %s is %i at first, %i after ten minutes near it, %i after an hour, %i after two", (_, ...table) => {
    const guarantee = new AdaptiveLimit(table[0]!, 100, 0);
    const seen = [guarantee.limit];
    let nowMs = 0;
    for (const minutes of [10, 50, 60]) {
      nowMs = sustain(guarantee, minutes, 0.9, nowMs);
      seen.push(guarantee.limit);
    }
    expect(seen).toEqual(table);
  });

  test("shrinks when use falls, a minute for a minute, and grows no further than it may", () => {
    const guarantee = new AdaptiveLimit(60, 4, 0);
    let nowMs = sustain(guarantee, 100, 1, 0);
    expect(guarantee.limit).toBe(240);
    nowMs = sustain(guarantee, 5, 0.5, nowMs);
    expect(guarantee.limit).toBe(180);
    guarantee.roll(nowMs + 1_000 * MINUTE_MS);
    expect(guarantee.limit).toBe(60);
    expect(guarantee.remaining).toBe(60);
  });

  const event = fc.record({
    afterMs: fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 90_000 })),
    charge: fc.integer({ min: -50, max: 120 }),
    use: fc.integer({ min: 0, max: 120 }),
  });

  test("holds at any time what a meter that ticks every millisecond holds", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const guarantee = new AdaptiveLimit(60, 3, 0);
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
          guarantee.roll(nowMs);
          guarantee.charge(charge);
          guarantee.use(use);
          model.level = Math.min(model.limit(), model.level - charge);
          model.used += use;
          expect(guarantee.limit).toBe(model.limit());
          expect(guarantee.remaining).toBeGreaterThanOrEqual(Math.floor(Math.max(0, model.level - 0.01)));
          expect(guarantee.remaining).toBeLessThanOrEqual(Math.floor(Math.max(0, model.level + 0.01)));
        }
      }),
      { numRuns: 60 },
    );
  });
});
