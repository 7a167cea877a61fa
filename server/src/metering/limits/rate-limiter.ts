import { AppError } from "../../lib/errors.ts";
import { AccountLimiter, DAY_MS, sizeClassOf, TOKENS_PER_DAY } from "./account-limiter.ts";
import { ChargedAdmission, InFlightAdmission } from "./admission.ts";
import { limitHeaders } from "./headers.ts";
import type {
  AccountRequestLimits,
  Admission,
  LimitScope,
  LimitsOptions,
  RequestEstimate,
} from "./service.ts";
import { type Peers, SlidingWindowLimit } from "./sliding-window-limit.ts";

const MAX_IN_FLIGHT = 1_000;
const REQUESTS_PER_MINUTE = 6_000;
const OVERLOAD_RETRY_S = 5;
/** Texts have more bytes than that for a token as a rule; what a body has beside its prompt goes into it. */
const BYTES_PER_TOKEN = 4;

interface Refusal {
  message: string;
  retryAfterS: number;
}

/** The accounts that were in use lately, and who may ask. */
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

  account(accountId: string): AccountLimiter {
    const known = this.accounts.get(accountId);
    if (known !== undefined) return known;
    const { clock } = this.#options;
    const limit = this.#requestLimits.get(accountId)?.requestsPerMinute ?? this.#requestsPerMinute;
    const account = new AccountLimiter(limit, clock.monotonicMs(), Math.floor(clock.now() / DAY_MS));
    for (const [keyId, most] of this.#requestLimits.get(accountId)?.keys ?? [])
      account.keyLimits.set(keyId, new SlidingWindowLimit(most));
    this.accounts.set(accountId, account);
    return account;
  }

  setRequestLimits(caps: ReadonlyMap<string, AccountRequestLimits>): void {
    this.#requestLimits = caps;
    for (const [accountId, account] of this.accounts) {
      const own = caps.get(accountId);
      account.requestsPerMinute = own?.requestsPerMinute ?? this.#requestsPerMinute;
      for (const keyId of account.keyLimits.keys())
        if (!own?.keys.has(keyId)) account.keyLimits.delete(keyId);
      for (const [keyId, most] of own?.keys ?? []) {
        const cap = account.keyLimits.get(keyId);
        if (cap === undefined) account.keyLimits.set(keyId, new SlidingWindowLimit(most));
        else cap.limit = most;
      }
    }
  }

  /** Forgets accounts that were not in use for a day. */
  prune(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [accountId, account] of this.accounts) {
      if (account.isIdle(nowMs)) this.accounts.delete(accountId);
    }
  }

  /** See Limits.admit. */
  admit(
    principal: { accountId: string; keyId: string },
    destination: LimitScope,
    ask: RequestEstimate,
  ): Admission {
    const { clock } = this.#options;
    const { n } = ask;
    const account = this.account(principal.accountId);
    const key = account.keyLimits.get(principal.keyId);
    const isOwn = destination.isolation === "deployment";
    const nowMs = clock.monotonicMs();
    account.roll(nowMs);
    const refusal =
      this.#refusal(account, key, nowMs, n) ??
      (isOwn ? null : this.#refusalOfShared(account, destination, nowMs, n));
    if (refusal !== null) {
      const headers = isOwn ? [] : limitHeaders(account, key, nowMs, true);
      const { message, retryAfterS } = refusal;
      throw new AppError("RATE_LIMIT_EXCEEDED", message, { retryAfterS, headers });
    }
    key?.add(nowMs, n);
    if (isOwn) {
      account.isDirty ||= key !== undefined;
      return new InFlightAdmission(account, n);
    }
    account.windowLimit.add(nowMs, n);
    const promptTokens = Math.ceil(ask.bodySizeBytes / BYTES_PER_TOKEN);
    const { isOver } = account;
    const size = this.#sizeOf(destination);
    return new ChargedAdmission(account, clock, {
      key,
      n,
      promptTokens,
      maxTokens: ask.maxTokens,
      size,
      isOver,
    });
  }

  /** Why a request may not go anywhere. */
  #refusal(
    account: AccountLimiter,
    key: SlidingWindowLimit | undefined,
    nowMs: number,
    n: number,
  ): Refusal | null {
    if (account.inFlight + n > this.#maxInFlight) {
      const message = `The account has too many requests in flight; ${this.#maxInFlight} may be.`;
      return { message, retryAfterS: 1 };
    }
    return key === undefined ? null : this.#refusalOfWindow(account, key, nowMs, n, "The API key");
  }

  /** Why a request may not go to what is everybody's. */
  #refusalOfShared(
    account: AccountLimiter,
    destination: LimitScope,
    nowMs: number,
    n: number,
  ): Refusal | null {
    const ofCap = this.#refusalOfWindow(account, account.windowLimit, nowMs, n, "The account");
    if (ofCap !== null) return ofCap;
    const wallMs = this.#options.clock.now();
    const size = this.#sizeOf(destination);
    const { tokens, models } = TOKENS_PER_DAY[size]!;
    if (account.tokensOn(Math.floor(wallMs / DAY_MS), size) >= tokens) {
      const message = `The account may use ${tokens} tokens a day (UTC) of ${models}.`;
      return { message, retryAfterS: Math.ceil((DAY_MS - (wallMs % DAY_MS)) / 1000) };
    }
    if (!account.isOver || !this.#options.isOverloaded?.(destination.deployment)) return null;
    const message = `${destination.model} is overloaded, and the account is beyond its guaranteed limits.`;
    return { message, retryAfterS: OVERLOAD_RETRY_S };
  }

  #refusalOfWindow(
    account: AccountLimiter,
    cap: SlidingWindowLimit,
    nowMs: number,
    n: number,
    whose: string,
  ): Refusal | null {
    if (cap.fits(nowMs, n, this.peers)) return null;
    // Another gateway may have a part that it doesn't need.
    account.isDirty = true;
    const message = `${whose} may make ${cap.limit} requests per minute.`;
    return { message, retryAfterS: cap.retryAfterS(nowMs, n) };
  }

  #sizeOf({ model }: LimitScope): number {
    return sizeClassOf(this.#options.parametersOf?.(model) ?? null);
  }
}
