import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { formatDollars } from "../money/service.ts";
import type { SuspendState } from "./ports.ts";
import { monthOf } from "./utc-periods.ts";

export interface AccountSpend {
  /** Null: unlimited. */
  limitMicros: bigint | null;
  /** In the month, as the database knows it. */
  spentMicros: bigint;
  /** What is left of what was paid in advance; null: there are invoices. */
  creditMicros: bigint | null;
  state: SuspendState;
}

export interface SpendSnapshot {
  /** Which month the sums are of. */
  monthStartMs: number;
  accounts: ReadonlyMap<string, AccountSpend>;
  /** Of accounts that are not among them; null: unlimited. */
  defaultLimitMicros: bigint | null;
}

/** What requests cost: in the sums' month, and in a later one. */
interface Costs {
  current: bigint;
  later: bigint;
}

/** An account with what it has spent so far. */
interface RunningSpend extends Costs {
  limitMicros: bigint | null;
  /** Of `current` and `later` together, how much is paid for in advance; null: there are invoices. */
  paidMicros: bigint | null;
  state: SuspendState;
}

/**
 * What accounts have spent this month, in memory: what the database knew at the last refresh, and what has ended here
 * since. So an account that runs N requests at once goes over its limit by at most what these N cost, and what ended on
 * other gateways since the last refresh.
 */
export class SpendGuard {
  readonly #clock: Clock;
  #monthStartMs = 0;
  #monthEndMs = 0;
  #defaultLimitMicros: bigint | null = null;
  #accounts = new Map<string, RunningSpend>();
  /** What has ended since the last refresh began: it may be missing in the sums that the refresh reads. */
  #costsSinceRefresh = new Map<string, Costs>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request has ended. */
  readonly recordCost = (accountId: string, costMicros: bigint, startedAtMs: number): void => {
    if (costMicros === 0n || startedAtMs < this.#monthStartMs) return;
    const month = startedAtMs < this.#monthEndMs ? "current" : "later";
    this.#account(accountId)[month] += costMicros;
    const since = this.#costsSinceRefresh.get(accountId);
    if (since !== undefined) since[month] += costMicros;
    else this.#costsSinceRefresh.set(accountId, { current: 0n, later: 0n, [month]: costMicros });
  };

  /** What has ended until now will be in the next snapshot. When the refresh fails, what is known stays. */
  beginRefresh(): void {
    this.#costsSinceRefresh = new Map();
  }

  /** What has ended since `beginRefresh` may be counted twice until the next refresh, and never not at all. */
  endRefresh({ monthStartMs, accounts, defaultLimitMicros }: SpendSnapshot): void {
    const isOtherMonth = monthStartMs !== this.#monthStartMs;
    if (isOtherMonth) {
      for (const costs of this.#costsSinceRefresh.values())
        Object.assign(costs, { current: costs.later, later: 0n });
    }
    this.#monthStartMs = monthStartMs;
    this.#monthEndMs = monthOf(monthStartMs).endMs;
    this.#defaultLimitMicros = defaultLimitMicros;
    this.#accounts = new Map();
    for (const [accountId, { limitMicros, state, spentMicros, creditMicros }] of accounts) {
      const paidMicros = creditMicros === null ? null : spentMicros + creditMicros;
      this.#accounts.set(accountId, { limitMicros, paidMicros, state, current: spentMicros, later: 0n });
    }
    for (const [accountId, { current, later }] of this.#costsSinceRefresh) {
      const account = this.#account(accountId);
      account.current += current;
      account.later += later;
    }
  }

  /** @throws AppError PAYMENT_REQUIRED with the reason. */
  check(accountId: string): void {
    const account = this.#accounts.get(accountId);
    const reason = account && reasonOf(account);
    if (reason !== undefined) throw new AppError("PAYMENT_REQUIRED", reason);
    const limitMicros = account === undefined ? this.#defaultLimitMicros : account.limitMicros;
    if (limitMicros === null || this.spent(accountId) < limitMicros) return;
    throw new AppError(
      "PAYMENT_REQUIRED",
      `The account has reached its spending limit of $${formatDollars(limitMicros)} for this month.`,
    );
  }

  /** Micro-dollars in this month. */
  spent(accountId: string): bigint {
    const account = this.#accounts.get(accountId);
    if (account === undefined) return 0n;
    return this.#clock.now() >= this.#monthEndMs ? account.later : account.current;
  }

  /** Whether what the account runs is to stand still. */
  isSuspended(accountId: string): boolean {
    return (this.#accounts.get(accountId)?.state ?? "UNSUSPENDED") !== "UNSUSPENDED";
  }

  #account(accountId: string): RunningSpend {
    let account = this.#accounts.get(accountId);
    if (account === undefined) {
      const limitMicros = this.#defaultLimitMicros;
      account = { limitMicros, paidMicros: null, state: "UNSUSPENDED", current: 0n, later: 0n };
      this.#accounts.set(accountId, account);
    }
    return account;
  }
}

function reasonOf({ state, paidMicros, current, later }: RunningSpend): string | undefined {
  const isDepleted = paidMicros !== null && current + later >= paidMicros;
  return REASONS[state] ?? (isDepleted ? REASONS.CREDIT_DEPLETED : undefined);
}

/** Reasons that a new month doesn't end; the spending limit has its own. */
const REASONS: Partial<Record<SuspendState, string>> = {
  FAILED_PAYMENTS: "The account is suspended: an invoice was not paid in time.",
  CREDIT_DEPLETED: "The account is suspended: its credits are used up.",
  BLOCKED_BY_ABUSE_RULE: "The account is suspended by the operator of the platform.",
};
