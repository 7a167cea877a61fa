import { AppError } from "../../lib/errors.ts";
import { AccountLimiter, DAY_MS, sizeClassOf, TOKENS_PER_DAY } from "./account-limiter.ts";
import { ChargedAdmission, InFlightAdmission } from "./admission.ts";
import { limitHeaders } from "./headers.ts";
import { type Peers, SlidingWindowLimit } from "./sliding-window-limit.ts";
import type { AccountRequestLimits, Admission, LimitScope, LimitsOptions, RequestEstimate } from "./types.ts";

const MAX_IN_FLIGHT = 1_000;
const REQUESTS_PER_MINUTE = 6_000;
const OVERLOAD_RETRY_S = 5;
/** Estimates prompt tokens from the body's size. Text has more bytes a token; the rest of the body makes up for it. */
const BYTES_PER_TOKEN = 4;

interface Refusal {
  message: string;
  retryAfterS: number;
}

/** Admits or refuses requests. Holds the `AccountLimiter` of every account that was used in the last day. */
export class RateLimiter {
  readonly accounts = new Map<string, AccountLimiter>();
  readonly #options: LimitsOptions;
  readonly #requestsPerMinute: number;
  readonly #maxInFlight: number;
  #requestLimits: ReadonlyMap<string, AccountRequestLimits> = new Map();
  peers: Peers = { ids: new Set(), areInSync: true };

  constructor(options: LimitsOptions) {
    this.#options = options;
    this.#requestsPerMinute = options.requestsPerMinute ?? REQUESTS_PER_MINUTE;
    this.#maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT;
  }

  /** The account's limiter, created when absent. */
  account(accountId: string): AccountLimiter {
    const existing = this.accounts.get(accountId);
    if (existing !== undefined) return existing;
    const { clock } = this.#options;
    const requestLimits = this.#requestLimits.get(accountId);
    const account = new AccountLimiter(
      requestLimits?.requestsPerMinute ?? this.#requestsPerMinute,
      clock.monotonicMs(),
      Math.floor(clock.now() / DAY_MS),
    );
    for (const [keyId, limit] of requestLimits?.keys ?? [])
      account.keyLimits.set(keyId, new SlidingWindowLimit(limit));
    this.accounts.set(accountId, account);
    return account;
  }

  /** See `Limits.setRequestLimits`. Limits that stay keep their counts. */
  setRequestLimits(limits: ReadonlyMap<string, AccountRequestLimits>): void {
    this.#requestLimits = limits;
    for (const [accountId, account] of this.accounts) {
      const requestLimits = limits.get(accountId);
      account.requestsPerMinute = requestLimits?.requestsPerMinute ?? this.#requestsPerMinute;
      for (const keyId of account.keyLimits.keys())
        if (!requestLimits?.keys.has(keyId)) account.keyLimits.delete(keyId);
      for (const [keyId, limit] of requestLimits?.keys ?? []) {
        const keyLimit = account.keyLimits.get(keyId);
        if (keyLimit === undefined) account.keyLimits.set(keyId, new SlidingWindowLimit(limit));
        else keyLimit.limit = limit;
      }
    }
  }

  /** Forgets accounts that were not used for a day. */
  prune(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [accountId, account] of this.accounts) {
      if (account.isIdle(nowMs)) this.accounts.delete(accountId);
    }
  }

  /** See `Limits.admit`. */
  admit(
    principal: { accountId: string; keyId: string },
    scope: LimitScope,
    estimate: RequestEstimate,
  ): Admission {
    const { clock } = this.#options;
    const { n } = estimate;
    const account = this.account(principal.accountId);
    const keyLimit = account.keyLimits.get(principal.keyId);
    const isDedicated = scope.isolation === "deployment";
    const nowMs = clock.monotonicMs();
    account.roll(nowMs);
    const refusal = this.#refusal({ account, keyLimit, scope, nowMs, n });
    if (refusal !== null) {
      const { message, retryAfterS } = refusal;
      const headers = isDedicated ? [] : limitHeaders({ account, keyLimit, nowMs, isOverLimit: true });
      throw new AppError("RATE_LIMIT_EXCEEDED", message, { retryAfterS, headers });
    }
    keyLimit?.add(nowMs, n);
    if (isDedicated) {
      account.isDirty ||= keyLimit !== undefined;
      return new InFlightAdmission(account, n);
    }
    account.windowLimit.add(nowMs, n);
    return new ChargedAdmission(account, clock, {
      keyLimit,
      n,
      promptTokens: Math.ceil(estimate.bodySizeBytes / BYTES_PER_TOKEN),
      maxTokens: estimate.maxTokens,
      sizeClass: this.#sizeClassOf(scope),
      isOverLimit: account.isOver,
    });
  }

  /** The first limit that refuses the request; null: none. */
  #refusal(request: {
    account: AccountLimiter;
    keyLimit: SlidingWindowLimit | undefined;
    scope: LimitScope;
    nowMs: number;
    n: number;
  }): Refusal | null {
    const { account, keyLimit, scope, nowMs, n } = request;
    const isDedicated = scope.isolation === "deployment";
    if (account.inFlight + n > this.#maxInFlight) {
      const message = `The account has too many requests in flight; the limit is ${this.#maxInFlight}.`;
      return { message, retryAfterS: 1 };
    }
    let exceeded: SlidingWindowLimit | null = null;
    if (keyLimit !== undefined && !keyLimit.fits(nowMs, n, this.peers)) exceeded = keyLimit;
    else if (!isDedicated && !account.windowLimit.fits(nowMs, n, this.peers)) exceeded = account.windowLimit;
    if (exceeded !== null) {
      // Publish the need: a peer may hold a share that it doesn't use.
      account.isDirty = true;
      const owner = exceeded === keyLimit ? "The API key" : "The account";
      const message = `${owner} may make ${exceeded.limit} requests per minute.`;
      return { message, retryAfterS: exceeded.retryAfterS(nowMs, n) };
    }
    if (isDedicated) return null;
    const wallMs = this.#options.clock.now();
    const sizeClass = this.#sizeClassOf(scope);
    const { tokens, models } = TOKENS_PER_DAY[sizeClass]!;
    if (account.tokensOn(Math.floor(wallMs / DAY_MS), sizeClass) >= tokens) {
      const message = `The account may use ${tokens} tokens a day (UTC) of ${models}.`;
      return { message, retryAfterS: Math.ceil((DAY_MS - (wallMs % DAY_MS)) / 1000) };
    }
    if (!account.isOver || !this.#options.isOverloaded?.(scope.deployment)) return null;
    const message = `${scope.model} is overloaded, and the account is beyond its guaranteed limits.`;
    return { message, retryAfterS: OVERLOAD_RETRY_S };
  }

  #sizeClassOf({ model }: LimitScope): number {
    return sizeClassOf(this.#options.parameterCountOf?.(model) ?? null);
  }
}
