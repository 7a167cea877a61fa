import { ApiError, ConnectionError } from "./errors.ts";

/** What sending a request twice does. */
export type RetrySafety =
  /** The same as sending it once. */
  | "always"
  /** Perhaps something twice: only again when the server did nothing with it. */
  | "unprocessed";

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** A server that asks for more patience than this gets its error passed on. */
const MAX_RETRY_AFTER_MS = 60_000;

const TEMPORARY = new Set([408, 429, 500, 502, 503, 504]);
/** The server says that it did nothing. */
const UNPROCESSED = new Set([429, 503]);
/** Failures that come before a request leaves. */
const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** Whether the request may be sent again after this failure. */
export function mayRetry(error: unknown, repeatable: RetrySafety): boolean {
  if (error instanceof ConnectionError) return repeatable === "always" || !error.maybeSent;
  if (!(error instanceof ApiError) || (error.retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) return false;
  return (repeatable === "always" ? TEMPORARY : UNPROCESSED).has(error.status);
}

/** Whether the server may have done what was asked, though it didn't say so. */
export function isOutcomeUncertain(error: unknown): boolean {
  if (error instanceof ConnectionError) return error.maybeSent;
  return error instanceof ApiError && TEMPORARY.has(error.status) && !UNPROCESSED.has(error.status);
}

/** Whether a request that `fetch` gave up may have reached the server, and the system's name for what happened. */
export function readCause(error: unknown): { maybeSent: boolean; code: string | null } {
  for (let one = error, depth = 0; one instanceof Error && depth < 5; depth++) {
    const { code, errors, cause } = one as { code?: unknown; errors?: unknown[]; cause?: unknown };
    if (typeof code === "string") return { code, maybeSent: !NEVER_SENT.has(code) };
    one = errors?.[0] ?? cause;
  }
  return { code: null, maybeSent: true };
}

/** The wait before another try, `retry` counted from 0: doubles with jitter, and is at least what the server asks for. */
export function delayMs(retry: number, error: unknown, random: () => number): number {
  const backoffMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** retry);
  const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(askedMs, backoffMs * (0.5 + random() / 2));
}

/** `retry-after` as seconds or as a date; null when it says nothing. */
export function readRetryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  if (/^\d{1,9}(\.\d+)?$/.test(header.trim())) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
