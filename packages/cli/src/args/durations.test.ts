import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDuration, secondsText } from "./durations.ts";

const NANOSECONDS: Record<string, number> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };

test.each([
  ["1h30m", "5400s"],
  ["1.5h", "5400s"],
  ["30s", "30s"],
  ["300ms", "0.3s"],
  ["1µs", "0.000001s"],
  ["0", "0s"],
  [".5m", "30s"],
  ["168h0m0s", "604800s"],
  ["1h1ns", "3600.000000001s"],
])("%s is %s", (text, seconds) => {
  expect(secondsText(parseDuration(text) as bigint)).toBe(seconds);
});

test.each(["", "5", "h", "1x", "-5m", "1h30", "1 h", "1h 30m", "1e3s", ".s", "1.2.3s", "9999999h", "∞s"])(
  "%s is no duration",
  (text) => {
    expect(parseDuration(text)).toBeNull();
  },
);

test("the value of a duration is the sum of its parts", () => {
  const part = fc.tuple(fc.nat(100_000), fc.constantFrom(...Object.keys(NANOSECONDS)));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const sum = parts.reduce(
        (total, [count, unit]) => total + BigInt(count) * BigInt(NANOSECONDS[unit] as number),
        0n,
      );
      expect(parseDuration(parts.map(([count, unit]) => `${count}${unit}`).join(""))).toBe(sum);
    }),
  );
});

test("secondsText and parseDuration are inverse", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (nanoseconds) => {
      expect(parseDuration(secondsText(nanoseconds))).toBe(nanoseconds);
    }),
  );
});

test("parseDuration never throws", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const parsed = parseDuration(text);
      expect(parsed === null || parsed >= 0n).toBe(true);
    }),
  );
});
