import fc from "fast-check";
import { expect, test } from "vitest";
import { SlidingWindowCounter } from "./sliding-window-counter.ts";

const step = fc.record({ afterMs: fc.integer({ min: 0, max: 20_000 }), n: fc.integer({ min: 1, max: 9 }) });

test("the counter counts all requests of the last minute and none older than 61 seconds", () => {
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

test("the count falls to the target at the end of the reported waiting time, and not earlier", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat({ max: 40 }), (steps, target) => {
      const window = new SlidingWindowCounter();
      let nowMs = 5_000;
      for (const { afterMs, n } of steps) {
        nowMs += afterMs;
        window.add(nowMs, n);
      }
      const waitMs = window.waitMs(nowMs, target);
      if (waitMs > 1_000) expect(window.count(nowMs + waitMs - 1)).toBeGreaterThan(target);
      expect(window.count(nowMs + waitMs)).toBeLessThanOrEqual(target);
    }),
  );
});
