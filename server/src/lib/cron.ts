/** A five-field cron expression: minute, hour, day of month, month, day of week. */
export interface Cron {
  minutes: ReadonlySet<number>;
  hours: ReadonlySet<number>;
  days: ReadonlySet<number>;
  months: ReadonlySet<number>;
  /** 0 is Sunday. */
  weekdays: ReadonlySet<number>;
  /** The field is `*`. As in cron, when both day fields are restricted, a day has to match only one of them. */
  anyDay: boolean;
  anyWeekday: boolean;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const MAX_LENGTH = 200;

/** Parses lists, ranges, steps, and names of months and weekdays. Null: not a valid expression. */
export function parseCron(text: string): Cron | null {
  const parts = text.length > MAX_LENGTH ? [] : text.trim().toLowerCase().split(/\s+/);
  if (parts.length !== 5) return null;
  const [minute, hour, day, month, weekday] = parts as [string, string, string, string, string];
  const minutes = parseField(minute, 0, 59, []);
  const hours = parseField(hour, 0, 23, []);
  const days = parseField(day, 1, 31, []);
  const months = parseField(month, 1, 12, ["", ...MONTHS]);
  const weekdays = parseField(weekday, 0, 7, WEEKDAYS);
  if (minutes === null || hours === null || days === null || months === null || weekdays === null)
    return null;
  // 7 is Sunday too.
  if (weekdays.has(7)) weekdays.add(0);
  return {
    minutes,
    hours,
    days,
    months,
    weekdays,
    anyDay: day.startsWith("*"),
    anyWeekday: weekday.startsWith("*"),
  };
}

/** Whether the runtime knows the time zone. */
export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone !== "";
  } catch {
    return false;
  }
}

/**
 * The last time at or before `nowMs` that matches the expression on the zone's clock; null: none within `withinMs`. A
 * local time that is skipped when the clock is put forward counts as later by the skipped time.
 */
export function previousOccurrence(cron: Cron, zone: string, nowMs: number, withinMs: number): number | null {
  const todayMs = Math.floor((nowMs + offsetMs(zone, nowMs)) / DAY_MS) * DAY_MS;
  const daysBack = Math.ceil(withinMs / DAY_MS) + 1;
  for (let dayMs = todayMs; dayMs >= todayMs - daysBack * DAY_MS; dayMs -= DAY_MS) {
    if (!isDay(cron, new Date(dayMs))) continue;
    for (const hour of descending(cron.hours)) {
      for (const minute of descending(cron.minutes)) {
        const atMs = toUtc(zone, dayMs + (hour * 60 + minute) * MINUTE_MS);
        if (atMs <= nowMs) return nowMs - atMs < withinMs ? atMs : null;
      }
    }
  }
  return null;
}

function parseField(text: string, min: number, max: number, names: readonly string[]): Set<number> | null {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const [, range, step = "1"] = /^([^/]+)(?:\/(\d{1,2}))?$/.exec(part) ?? [];
    if (range === undefined || Number(step) === 0) return null;
    const [first, last = part.includes("/") && range !== "*" ? String(max) : undefined, ...rest] =
      range === "*" ? [String(min), String(max)] : range.split("-");
    const from = numberOf(first as string, names);
    const to = last === undefined ? from : numberOf(last, names);
    if (rest.length > 0 || !(from >= min && to <= max && from <= to)) return null;
    for (let number = from; number <= to; number += Number(step)) numbers.add(number);
  }
  return numbers;
}

function numberOf(text: string, names: readonly string[]): number {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const index = text === "" ? -1 : names.indexOf(text);
  return index === -1 ? Number.NaN : index;
}

/** @param day midnight of the local day, as if it were UTC. */
function isDay({ days, months, weekdays, anyDay, anyWeekday }: Cron, day: Date): boolean {
  if (!months.has(day.getUTCMonth() + 1)) return false;
  const isDate = days.has(day.getUTCDate());
  const isWeekday = weekdays.has(day.getUTCDay());
  return anyDay || anyWeekday ? isDate && isWeekday : isDate || isWeekday;
}

function descending(numbers: ReadonlySet<number>): number[] {
  return [...numbers].sort((a, b) => b - a);
}

/** @param localMs a time on the zone's clock, as if it were UTC. */
function toUtc(zone: string, localMs: number): number {
  const guessMs = localMs - offsetMs(zone, localMs);
  return localMs - offsetMs(zone, guessMs);
}

/** Cache: creating a format is expensive. Bounded: cleared when full, because zones can be written in many ways. */
const formats = new Map<string, Intl.DateTimeFormat>();
const MAX_FORMATS = 1_000;

/** How far the zone's clock is ahead of UTC at that moment. */
function offsetMs(zone: string, atMs: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    if (formats.size >= MAX_FORMATS) formats.clear();
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(
    format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]),
  );
  const { year, month, day, hour, minute, second } = parts as Record<string, number>;
  const localMs = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
  return localMs - Math.floor(atMs / 1000) * 1000;
}
