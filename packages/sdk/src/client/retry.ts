import { ApiError, ConnectionError } from "./errors.ts";

/** When a request may be sent again. */
export type RetrySafety =
  /** After any temporary failure, as sending it twice has the same effect as sending it once. */
  | "always"
  /** Only if the server has not processed it, as sending it twice could have the effect twice. */
  | "unprocessed";

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** A longer `retry-after` is not waited for: the caller gets the error. */
const MAX_RETRY_AFTER_MS = 60_000;

const TEMPORARY = new Set([408, 429, 500, 502, 503, 504]);
/** Statuses of a server that has not processed the request. */
const UNPROCESSED = new Set([429, 503]);
/** Error codes of failures before the request was sent. */
const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** Whether the request may be sent again after this error. */
export function mayRetry(error: unknown, repeatable: RetrySafety): boolean {
  if (error instanceof ConnectionError) return repeatable === "always" || !error.maybeSent;
  if (!(error instanceof ApiError) || (error.retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS) return false;
  return (repeatable === "always" ? TEMPORARY : UNPROCESSED).has(error.status);
}

/** Whether the server may have processed the request in spite of this error. */
export function isOutcomeUncertain(error: unknown): boolean {
  if (error instanceof ConnectionError) return error.maybeSent;
  return error instanceof ApiError && TEMPORARY.has(error.status) && !UNPROCESSED.has(error.status);
}

/** Whether a request that failed in `fetch` may have reached the server, and the system's error code. */
export function readCause(error: unknown): { maybeSent: boolean; code: string | null } {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth++) {
    const { code, errors, cause } = current as { code?: unknown; errors?: unknown[]; cause?: unknown };
    if (typeof code === "string") return { code, maybeSent: !NEVER_SENT.has(code) };
    current = errors?.[0] ?? cause;
  }
  return { code: null, maybeSent: true };
}

/** Exponential backoff with jitter, at least the server's `retry-after`. @param retry counts from 0 */
export function delayMs(retry: number, error: unknown, random: () => number): number {
  const backoffMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** retry);
  const retryAfterMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(retryAfterMs, backoffMs * (0.5 + random() / 2));
}

/** Parses `retry-after`, seconds or a date; null when it is absent or malformed. */
export function readRetryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  if (/^\d{1,9}(\.\d+)?$/.test(header.trim())) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}
