import { InputError } from "../client/errors.ts";

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Converts a duration such as `30s`, `10m` or `1h30m` to the API's seconds: `5400s`. @throws InputError naming `param` */
export function apiDuration(param: string, text: string): string {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|[smhd])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text)
    throw new InputError(param, `${param} must be a span of time such as 30s, 10m or 1h30m.`);
  const seconds = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (SECONDS[unit ?? ""] ?? 0), 0);
  return `${Number(seconds.toFixed(3))}s`;
}
