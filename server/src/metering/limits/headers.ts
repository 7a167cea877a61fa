import type { AccountLimiter } from "./account-limiter.ts";
import type { SlidingWindowLimit } from "./sliding-window-limit.ts";

/**
 * The `x-ratelimit-*` headers: names and values alternating. The request headers report the narrowest of the limits
 * that apply. The caller must have called `account.roll(nowMs)`.
 */
export function limitHeaders(options: {
  account: AccountLimiter;
  /** The limit of the request's API key, if the key has one. */
  keyLimit: SlidingWindowLimit | undefined;
  /** Monotonic. */
  nowMs: number;
  isOverLimit: boolean;
}): readonly string[] {
  const { account, keyLimit, nowMs, isOverLimit } = options;
  const { windowLimit } = account;
  const [requests, promptTokens, generatedTokens] = account.adaptiveLimits;
  let limit = Math.min(requests.limit, windowLimit.limit);
  let remaining = Math.min(requests.remaining, windowLimit.remaining(nowMs));
  if (keyLimit !== undefined) {
    limit = Math.min(limit, keyLimit.limit);
    remaining = Math.min(remaining, keyLimit.remaining(nowMs));
  }
  return [
    "x-ratelimit-limit-requests",
    `${Math.floor(limit)}`,
    "x-ratelimit-limit-tokens-prompt",
    `${Math.floor(promptTokens.limit)}`,
    "x-ratelimit-limit-tokens-generated",
    `${Math.floor(generatedTokens.limit)}`,
    "x-ratelimit-remaining-requests",
    `${remaining}`,
    "x-ratelimit-remaining-tokens-prompt",
    `${promptTokens.remaining}`,
    "x-ratelimit-remaining-tokens-generated",
    `${generatedTokens.remaining}`,
    "x-ratelimit-over-limit",
    isOverLimit ? "yes" : "no",
  ];
}
