import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTimeZone, parseCron, previousOccurrence } from "./cron.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const last = (text: string, zone: string, now: string, withinMs = 8 * DAY_MS): string | null => {
  const atMs = previousOccurrence(parseCron(text)!, zone, Date.parse(now), withinMs);
  return atMs === null ? null : new Date(atMs).toISOString();
};

describe("cron expressions", () => {
  it.each([
    ["every minute", "* * * * *", "2026-03-10T10:30:59Z", "2026-03-10T10:30:00.000Z"],
    ["a time of every day", "15 8 * * *", "2026-03-10T08:14:59Z", "2026-03-09T08:15:00.000Z"],
    ["steps", "*/20 * * * *", "2026-03-10T10:19:00Z", "2026-03-10T10:00:00.000Z"],
    ["steps from a number", "5/20 * * * *", "2026-03-10T10:30:00Z", "2026-03-10T10:25:00.000Z"],
    ["ranges and lists", "0 8-10,12 * * *", "2026-03-10T11:59:00Z", "2026-03-10T10:00:00.000Z"],
    ["names of weekdays", "0 9 * * mon-fri", "2026-03-08T12:00:00Z", "2026-03-06T09:00:00.000Z"],
    ["7 for Sunday", "0 9 * * 7", "2026-03-10T12:00:00Z", "2026-03-08T09:00:00.000Z"],
    ["names of months", "0 0 1 mar *", "2026-03-05T12:00:00Z", "2026-03-01T00:00:00.000Z"],
    ["one of two restricted days", "0 0 6 * mon", "2026-03-08T12:00:00Z", "2026-03-06T00:00:00.000Z"],
  ])("find the last occurrence of %s", (_case, text, now, expected) => {
    expect(last(text, "UTC", now)).toBe(expected);
  });

  it.each(["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8"])(
    "don't include %j",
    (text) => expect(parseCron(text)).toBeNull(),
  );
  it.each([
    "a * * * *",
    "1-0 * * * *",
    "1-2-3 * * * *",
    "*/0 * * * *",
    "1, * * * *",
    "-1 * * * *",
    "* * * jan-x *",
  ])("don't include the invalid %j", (text) => expect(parseCron(text)).toBeNull());

  it("are parsed or refused, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^[\d*,/ -]{0,30}$/)),
        (text) => void parseCron(text),
      ),
    );
  });
});

describe("time zones", () => {
  it("count by their own clocks, also across daylight saving changes", () => {
    expect(last("0 9 * * *", "Europe/Berlin", "2026-01-10T12:00:00Z")).toBe("2026-01-10T08:00:00.000Z");
    expect(last("0 9 * * *", "Europe/Berlin", "2026-07-10T12:00:00Z")).toBe("2026-07-10T07:00:00.000Z");
    expect(last("0 9 * * *", "Asia/Tokyo", "2026-01-10T23:30:00Z")).toBe("2026-01-10T00:00:00.000Z");
    expect(last("30 2 * * *", "Europe/Berlin", "2026-03-29T12:00:00Z")).toBe("2026-03-29T01:30:00.000Z");
  });

  it("are those that the runtime knows", () => {
    expect(["UTC", "Europe/Paris", "America/New_York"].map(isTimeZone)).toEqual([true, true, true]);
    expect(["", "Mars/Base", "Europe/Paris\0"].map(isTimeZone)).toEqual([false, false, false]);
  });
});

it("the last time matches the expression, is not in the future, and is the latest such time", () => {
  const field = (least: number, most: number) =>
    fc.oneof(fc.constant("*"), fc.integer({ min: least, max: most }).map(String));
  const text = fc.tuple(field(0, 59), field(0, 23), fc.constant("*"), fc.constant("*"), field(0, 6));
  const nowMs = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2030, 0, 1) });
  fc.assert(
    fc.property(text, nowMs, (parts, now) => {
      const cron = parseCron(parts.join(" "))!;
      const names = (atMs: number): boolean => {
        const at = new Date(atMs);
        const { minutes, hours, weekdays } = cron;
        return minutes.has(at.getUTCMinutes()) && hours.has(at.getUTCHours()) && weekdays.has(at.getUTCDay());
      };
      const atMs = previousOccurrence(cron, "UTC", now, 8 * DAY_MS)!;
      expect(atMs).toBeLessThanOrEqual(now);
      expect(names(atMs)).toBe(true);
      for (let later = atMs + 60_000; later <= now; later += 60_000) expect(names(later)).toBe(false);
    }),
    { numRuns: 50 },
  );
});
