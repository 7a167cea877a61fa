import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "./durations.ts";
import { checkNewId, randomId } from "./resource-ids.ts";
import { parseTimestamp } from "./timestamps.ts";

describe("durations", () => {
  test("are parsed as they were formatted, for any number of milliseconds", () => {
    fc.assert(fc.property(fc.nat(10 ** 12), (ms) => parseDuration(formatDuration(ms)) === ms));
    expect(formatDuration(1_999.6)).toBe("2s");
  });

  test.each([
    ["600s", 600_000],
    ["0s", 0],
    ["0.5s", 500],
    ["1.000000001s", 1_000],
    ["1.0005s", 1_001],
  ])("of %s are %i ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "600",
    "5m",
    "-1s",
    "1.s",
    ".5s",
    "1e3s",
    " 1s",
    "1s ",
    "9999999999999s",
    "999999999999s",
    "1.0000000001s",
  ])("are refused for %j", (text) => {
    expect(() => parseDuration(text, "window")).toThrow(expect.objectContaining({ param: "window" }));
  });
});

describe("times", () => {
  test.each([
    ["2025-01-31T12:00:00Z", "2025-01-31T12:00:00.000000Z"],
    ["2025-01-31T12:00:00.5Z", "2025-01-31T12:00:00.500000Z"],
    ["2025-01-31T12:00:00.123456789+02:30", "2025-01-31T09:30:00.123456Z"],
    ["2024-02-29T23:59:59-23:59", "2024-03-01T23:58:59.000000Z"],
  ])("such as %s are converted to %s", (text, utc) => {
    expect(parseTimestamp(text)).toBe(utc);
  });

  test.each([
    "2025-02-29T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-01-01T24:00:01Z",
    "2025-01-01T00:00:60Z",
    "2025-01-01",
    "2025-01-01 00:00:00Z",
    "2025-01-01T00:00:00",
    "2025-01-01T00:00:00.1234567890Z",
    "0001-01-01T00:00:00+01:00",
    "0000-01-01T00:00:00Z",
    "12025-01-01T00:00:00Z",
  ])("don't include %s", (text) => {
    expect(parseTimestamp(text)).toBe(null);
  });

  test("survive a round trip", () => {
    const date = fc.date({ min: new Date("0001-01-02"), max: new Date("9999-12-30"), noInvalidDate: true });
    fc.assert(
      fc.property(date, (time) => {
        expect(new Date(parseTimestamp(time.toISOString())!).getTime()).toBe(time.getTime());
      }),
    );
  });
});

describe("ids", () => {
  test.each(["a", "my-model-2", "a".repeat(63), "a--b"])("may be %s", (id) => checkNewId("modelId", id));

  test.each(["", "-a", "a-", "1a", "A", "a_b", "a.b", "a/b", "ä", "a".repeat(64), "a\n", "..", "a b"])(
    "may not be %j",
    (id) => {
      expect(() => checkNewId("modelId", id)).toThrow(expect.objectContaining({ param: "modelId" }));
    },
  );

  test("that are generated follow the rules and are unique", () => {
    const ids = Array.from({ length: 1_000 }, randomId);
    for (const id of ids) checkNewId("id", id);
    expect(new Set(ids).size).toBe(1_000);
  });
});
