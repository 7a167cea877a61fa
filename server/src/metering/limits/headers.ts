import type { AccountLimiter } from "./account-limiter.ts";
import type { SlidingWindowLimit } from "./sliding-window-limit.ts";

/**
 * What an account may ask, and how much of it is left: names and values alternating. Requests are told by what allows
 * fewest.
 * @param key the cap of the request's key, if it has one. @param nowMs monotonic; the account was rolled to it.
 */
export function limitHeaders(
  account: AccountLimiter,
  key: SlidingWindowLimit | undefined,
  nowMs: number,
  isOver: boolean,
): readonly string[] {
  const { windowLimit: cap } = account;
  const [requests, promptTokens, generatedTokens] = account.adaptiveLimits;
  let limit = Math.min(requests.limit, cap.limit);
  let remaining = Math.min(requests.remaining, cap.remaining(nowMs));
  if (key !== undefined) {
    limit = Math.min(limit, key.limit);
    remaining = Math.min(remaining, key.remaining(nowMs));
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
    isOver ? "yes" : "no",
  ];
}
