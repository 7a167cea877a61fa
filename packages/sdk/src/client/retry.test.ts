import fc from "fast-check";
import { expect, test } from "vitest";
import { apiError, ConnectionError, InvalidResponseError, TimeoutError } from "./errors.ts";
import { delayMs, isOutcomeUncertain, mayRetry, readCause, readRetryAfterMs } from "./retry.ts";

function failure(status: number, retryAfterMs: number | null = null) {
  return apiError({ status, code: "", message: "", param: null, details: [], requestId: null, retryAfterMs });
}

test("an idempotent request is retried after every temporary failure", () => {
  for (const status of [408, 429, 500, 502, 503, 504]) expect(mayRetry(failure(status), "always")).toBe(true);
  for (const status of [400, 401, 403, 404, 409, 412, 501])
    expect(mayRetry(failure(status), "always")).toBe(false);
  expect(mayRetry(new ConnectionError(""), "always")).toBe(true);
  expect(mayRetry(new TimeoutError(""), "always")).toBe(true);
  expect(mayRetry(new InvalidResponseError(200, ""), "always")).toBe(false);
  expect(mayRetry(new Error(), "always")).toBe(false);
});

test("a request that isn't idempotent is retried only when the server has not processed it", () => {
  for (const status of [429, 503]) expect(mayRetry(failure(status), "unprocessed")).toBe(true);
  for (const status of [408, 500, 502, 504]) expect(mayRetry(failure(status), "unprocessed")).toBe(false);
  expect(mayRetry(new ConnectionError("", true), "unprocessed")).toBe(false);
  expect(mayRetry(new ConnectionError("", false), "unprocessed")).toBe(true);
});

test("a retry-after of more than a minute is not waited for", () => {
  expect(mayRetry(failure(429, 60_000), "always")).toBe(true);
  expect(mayRetry(failure(429, 60_001), "always")).toBe(false);
});

test("an error that says the request was not processed leaves no doubt about the outcome", () => {
  for (const status of [429, 503, 404]) expect(isOutcomeUncertain(failure(status))).toBe(false);
  for (const status of [500, 502, 504]) expect(isOutcomeUncertain(failure(status))).toBe(true);
  expect(isOutcomeUncertain(new ConnectionError("", false))).toBe(false);
  expect(isOutcomeUncertain(new TimeoutError(""))).toBe(true);
});

test("pauses double up to eight seconds with jitter, and are at least retry-after", () => {
  fc.assert(
    fc.property(
      fc.nat(20),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.option(fc.nat(60_000)),
      (retry, chance, asked) => {
        const ms = delayMs(retry, failure(429, asked), () => chance);
        const full = Math.min(8_000, 500 * 2 ** retry);
        expect(ms).toBeGreaterThanOrEqual(Math.max(full / 2, asked ?? 0));
        expect(ms).toBeLessThanOrEqual(Math.max(full, asked ?? 0));
      },
    ),
  );
});

test("retry-after is parsed as seconds and as a date", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  expect(readRetryAfterMs("2", now)).toBe(2_000);
  expect(readRetryAfterMs("0.5", now)).toBe(500);
  expect(readRetryAfterMs("Sat, 31 Jan 2026 12:00:07 GMT", now)).toBe(7_000);
  expect(readRetryAfterMs("Sat, 31 Jan 2026 11:00:00 GMT", now)).toBe(0);
  expect(readRetryAfterMs("soon", now)).toBeNull();
  expect(readRetryAfterMs(null, now)).toBeNull();
});

test("a refused connection counts as never sent, however deep its cause is nested", () => {
  const refused = Object.assign(new Error(), { code: "ECONNREFUSED" });
  expect(readCause(new TypeError("fetch failed", { cause: refused }))).toEqual({
    code: "ECONNREFUSED",
    maybeSent: false,
  });
  expect(readCause(new TypeError("x", { cause: new AggregateError([refused]) })).maybeSent).toBe(false);
  expect(readCause(Object.assign(new Error(), { code: "ECONNRESET" })).maybeSent).toBe(true);
  expect(readCause(new TypeError("fetch failed"))).toEqual({ code: null, maybeSent: true });
});
