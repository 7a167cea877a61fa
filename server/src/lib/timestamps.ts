const TIMESTAMP = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * Converts an RFC 3339 time to UTC with microseconds, `2025-01-31T12:00:00.000000Z`. Null: the text is invalid, the day
 * does not exist, or the year is before 1.
 */
export function parseTimestamp(text: string): string | null {
  const [, day, fraction = ""] = TIMESTAMP.exec(text) ?? [];
  if (day === undefined) return null;
  // JavaScript would parse 30 February as 2 March.
  const midnightMs = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(midnightMs) || !new Date(midnightMs).toISOString().startsWith(day)) return null;
  const ms = Date.parse(text.replace(fraction, ""));
  if (Number.isNaN(ms)) return null;
  const utc = new Date(ms).toISOString();
  if (!/^(?!0000)\d{4}-/.test(utc)) return null;
  return `${utc.slice(0, 19)}.${fraction.slice(1, 7).padEnd(6, "0")}Z`;
}
