import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { formatDollars } from "../money/service.ts";
import type { SuspendState } from "./ports.ts";
import { monthOf } from "./utc-periods.ts";

export interface AccountSpend {
  /** Null: unlimited. */
  limitMicros: bigint | null;
  /** Spent in the month, according to the database. */
  spentMicros: bigint;
  /** Remaining credits of a prepaid account; null: the account is invoiced. */
  creditMicros: bigint | null;
  state: SuspendState;
}

export interface SpendSnapshot {
  /** First millisecond of the month (UTC) of the sums. */
  monthStartMs: number;
  accounts: ReadonlyMap<string, AccountSpend>;
  /** Limit of accounts that are not in `accounts`; null: unlimited. */
  defaultLimitMicros: bigint | null;
}

/** Cost of requests in the month of the snapshot, and in later months. */
interface Costs {
  current: bigint;
  later: bigint;
}

/** An account with its spending so far. */
interface RunningSpend extends Costs {
  limitMicros: bigint | null;
  /** How much of `current` plus `later` is covered by credits; null: the account is invoiced. */
  paidMicros: bigint | null;
  state: SuspendState;
}

/**
 * Decides in memory whether accounts may spend more. Spending is the sum from the database at the last refresh plus the
 * requests that have ended on this gateway since. An account can therefore exceed its limit only by the cost of its
 * requests in flight and of those that ended on other gateways since the last refresh.
 */
export class SpendGuard {
  readonly #clock: Clock;
  #monthStartMs = 0;
  #monthEndMs = 0;
  #defaultLimitMicros: bigint | null = null;
  #accounts = new Map<string, RunningSpend>();
  /** Costs since the last refresh began. The sums that the refresh reads may not include them. */
  #costsSinceRefresh = new Map<string, Costs>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds the cost of a request that has ended. */
  readonly recordCost = (accountId: string, costMicros: bigint, startedAtMs: number): void => {
    if (costMicros === 0n || startedAtMs < this.#monthStartMs) return;
    const month = startedAtMs < this.#monthEndMs ? "current" : "later";
    this.#account(accountId)[month] += costMicros;
    const recent = this.#costsSinceRefresh.get(accountId);
    if (recent !== undefined) recent[month] += costMicros;
    else this.#costsSinceRefresh.set(accountId, { current: 0n, later: 0n, [month]: costMicros });
  };

  /** Call it before the sums are read. If the refresh then fails, the guard keeps its current sums. */
  beginRefresh(): void {
    this.#costsSinceRefresh = new Map();
  }

  /**
   * Replaces the sums. Costs since `beginRefresh` are added to them: such a cost may count twice until the next
   * refresh, but is never missing.
   */
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

  /** Micro-dollars spent in this month (UTC). */
  spent(accountId: string): bigint {
    const account = this.#accounts.get(accountId);
    if (account === undefined) return 0n;
    return this.#clock.now() >= this.#monthEndMs ? account.later : account.current;
  }

  /** Whether the account is suspended, so that its deployments and jobs must stop. */
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

/** Messages for suspensions that outlast the month. `check` reports the spending limit itself, with its amount. */
const REASONS: Partial<Record<SuspendState, string>> = {
  FAILED_PAYMENTS: "The account is suspended: an invoice was not paid in time.",
  CREDIT_DEPLETED: "The account is suspended: its credits are used up.",
  BLOCKED_BY_ABUSE_RULE: "The account is suspended by the operator of the platform.",
};
