import { AppError } from "../../lib/errors.ts";
import { Account, DAY_MS, sizeClassOf, TOKENS_PER_DAY } from "./account.ts";
import { Admitted, InFlight } from "./admission.ts";
import { Cap, type Others } from "./cap.ts";
import type { AccountCaps, Admission, Ask, Destination, LimitsOptions } from "./service.ts";

const MAX_IN_FLIGHT = 1_000;
const REQUESTS_PER_MINUTE = 6_000;
const OVERLOAD_RETRY_S = 5;
/** Texts have more bytes than that for a token as a rule; what a body has beside its prompt goes into it. */
const BYTES_PER_TOKEN = 4;

/** The accounts that were in use lately, and who may ask. */
export class Registry {
  readonly accounts = new Map<string, Account>();
  readonly #options: LimitsOptions;
  readonly #requestsPerMinute: number;
  readonly #maxInFlight: number;
  #caps: ReadonlyMap<string, AccountCaps> = new Map();
  others: Others = { ids: new Set(), areHeard: true };

  constructor(options: LimitsOptions) {
    this.#options = options;
    this.#requestsPerMinute = options.requestsPerMinute ?? REQUESTS_PER_MINUTE;
    this.#maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT;
  }

  account(accountId: string): Account {
    const known = this.accounts.get(accountId);
    if (known !== undefined) return known;
    const { clock } = this.#options;
    const limit = this.#caps.get(accountId)?.requestsPerMinute ?? this.#requestsPerMinute;
    const account = new Account(limit, clock.monotonicMs(), Math.floor(clock.now() / DAY_MS));
    for (const [keyId, most] of this.#caps.get(accountId)?.keys ?? []) account.keys.set(keyId, new Cap(most));
    this.accounts.set(accountId, account);
    return account;
  }

  setCaps(caps: ReadonlyMap<string, AccountCaps>): void {
    this.#caps = caps;
    for (const [accountId, account] of this.accounts) {
      const own = caps.get(accountId);
      account.requestsPerMinute = own?.requestsPerMinute ?? this.#requestsPerMinute;
      for (const keyId of account.keys.keys()) if (!own?.keys.has(keyId)) account.keys.delete(keyId);
      for (const [keyId, most] of own?.keys ?? []) {
        const cap = account.keys.get(keyId);
        if (cap === undefined) account.keys.set(keyId, new Cap(most));
        else cap.limit = most;
      }
    }
  }

  /** Forgets accounts that were not in use for a day. */
  prune(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [accountId, account] of this.accounts) {
      if (account.isSpent(nowMs)) this.accounts.delete(accountId);
    }
  }

  /** See Limits.admit. */
  admit(principal: { accountId: string; keyId: string }, destination: Destination, ask: Ask): Admission {
    const { clock } = this.#options;
    const { n } = ask;
    const account = this.account(principal.accountId);
    const nowMs = clock.monotonicMs();
    if (account.inFlight + n > this.#maxInFlight) {
      throw refusal(`The account has too many requests in flight; ${this.#maxInFlight} may be.`, 1);
    }
    const key = account.keys.get(principal.keyId);
    if (key !== undefined) this.#checkCap(account, key, nowMs, n, "The API key");
    if (destination.isolation === "deployment") {
      key?.add(nowMs, n);
      account.isDirty ||= key !== undefined;
      account.roll(nowMs);
      return new InFlight(account, n);
    }
    this.#checkCap(account, account.cap, nowMs, n, "The account");
    const day = Math.floor(clock.now() / DAY_MS);
    const size = sizeClassOf(this.#options.parametersOf?.(destination.model) ?? null);
    checkDay(account, day, size, clock.now());
    account.roll(nowMs);
    const { isOver } = account;
    if (isOver && this.#options.isOverloaded?.(destination.deployment)) {
      throw refusal(
        `${destination.model} is overloaded, and the account is beyond its guaranteed limits.`,
        OVERLOAD_RETRY_S,
      );
    }
    key?.add(nowMs, n);
    account.cap.add(nowMs, n);
    const promptTokens = Math.ceil(ask.bodySizeBytes / BYTES_PER_TOKEN);
    return new Admitted(account, clock, { n, promptTokens, maxTokens: ask.maxTokens, size, isOver });
  }

  /** @throws AppError RATE_LIMIT_EXCEEDED. */
  #checkCap(account: Account, cap: Cap, nowMs: number, n: number, whose: string): void {
    if (cap.fits(nowMs, n, this.others)) return;
    // Another gateway may have a part that it doesn't need.
    account.isDirty = true;
    throw refusal(`${whose} may make ${cap.limit} requests per minute.`, cap.retryAfterS(nowMs, n));
  }
}

/** @throws AppError RATE_LIMIT_EXCEEDED. */
function checkDay(account: Account, day: number, size: number, nowMs: number): void {
  const { tokens, models } = TOKENS_PER_DAY[size]!;
  if (account.tokensOn(day, size) < tokens) return;
  const untilMidnightMs = DAY_MS - (nowMs % DAY_MS);
  throw refusal(
    `The account may use ${tokens} tokens a day (UTC) of ${models}.`,
    Math.ceil(untilMidnightMs / 1000),
  );
}

function refusal(message: string, retryAfterS: number): AppError {
  return new AppError("RATE_LIMIT_EXCEEDED", message, { retryAfterS });
}
