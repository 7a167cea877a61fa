import fc from "fast-check";
import { expect, test } from "vitest";
import { SlidingWindowCounter } from "./sliding-window-counter.ts";

const step = fc.record({ afterMs: fc.integer({ min: 0, max: 20_000 }), n: fc.integer({ min: 1, max: 9 }) });

test("a window counts everything of the last minute and nothing that is older than a minute and a second", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), fc.array(step, { maxLength: 60 }), (startMs, steps) => {
      const window = new SlidingWindowCounter();
      const all: { atMs: number; n: number }[] = [];
      let nowMs = startMs;
      for (const { afterMs, n } of steps) {
        nowMs += afterMs;
        window.add(nowMs, n);
        all.push({ atMs: nowMs, n });
        const since = (ms: number) => all.filter((one) => one.atMs > nowMs - ms).reduce((a, b) => a + b.n, 0);
        expect(window.count(nowMs)).toBeGreaterThanOrEqual(since(60_000));
        expect(window.count(nowMs)).toBeLessThanOrEqual(since(61_000));
      }
    }),
  );
});

test("after the time that is told to wait, and not a second before, so many fit", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat({ max: 40 }), (steps, most) => {
      const window = new SlidingWindowCounter();
      let nowMs = 5_000;
      for (const { afterMs, n } of steps) {
        nowMs += afterMs;
        window.add(nowMs, n);
      }
      const waitMs = window.waitMs(nowMs, most);
      if (waitMs > 1_000) expect(window.count(nowMs + waitMs - 1)).toBeGreaterThan(most);
      expect(window.count(nowMs + waitMs)).toBeLessThanOrEqual(most);
    }),
  );
});
