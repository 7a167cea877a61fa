import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { formatDollars } from "../money/service.ts";
import { monthOf } from "./months.ts";
import type { SuspendState } from "./ports.ts";

export interface AccountSpend {
  /** Null: unlimited. */
  limitMicros: bigint | null;
  /** In the month, as the database knows it. */
  spentMicros: bigint;
  state: SuspendState;
}

export interface SpendSnapshot {
  /** Which month the sums are of. */
  monthStartMs: number;
  accounts: ReadonlyMap<string, AccountSpend>;
  /** Of accounts that are not among them; null: unlimited. */
  defaultLimitMicros: bigint | null;
}

/** What requests cost since the sums were read, by account: of the sums' month, and of a later one. */
interface Pending {
  current: Map<string, bigint>;
  later: Map<string, bigint>;
}

/**
 * What accounts have spent this month, in memory: what the database knew at the last refresh, and what has ended here
 * since. So an account that runs N requests at once goes over its limit by at most what these N cost, and what ended on
 * other gateways since the last refresh.
 */
export class SpendGuard {
  readonly #clock: Clock;
  #snapshot: SpendSnapshot = { monthStartMs: 0, accounts: new Map(), defaultLimitMicros: null };
  #monthEndMs = 0;
  #pending = emptyPending();
  /** What the refresh that runs now will find in the database. */
  #settling = emptyPending();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request has ended. */
  readonly closed = (accountId: string, costMicros: bigint, startedAtMs: number): void => {
    if (costMicros === 0n || startedAtMs < this.#snapshot.monthStartMs) return;
    const { current, later } = this.#pending;
    add(startedAtMs < this.#monthEndMs ? current : later, accountId, costMicros);
  };

  /** What has ended until now will be in the next snapshot. */
  beginRefresh(): void {
    for (const name of ["current", "later"] as const) {
      for (const [accountId, micros] of this.#pending[name]) add(this.#settling[name], accountId, micros);
    }
    this.#pending = emptyPending();
  }

  /** To be called after `beginRefresh`; without it, the refresh has failed and what is known stays. */
  endRefresh(snapshot: SpendSnapshot): void {
    const isOtherMonth = snapshot.monthStartMs !== this.#snapshot.monthStartMs;
    this.#snapshot = snapshot;
    this.#monthEndMs = monthOf(snapshot.monthStartMs).endMs;
    this.#settling = emptyPending();
    // What ended meanwhile may be counted twice until the next refresh, and never not at all.
    if (isOtherMonth) this.#pending = { current: this.#pending.later, later: new Map() };
  }

  /** @throws AppError PAYMENT_REQUIRED with the reason. */
  check(accountId: string): void {
    const account = this.#snapshot.accounts.get(accountId);
    const limitMicros = account === undefined ? this.#snapshot.defaultLimitMicros : account.limitMicros;
    if (account !== undefined && REASONS[account.state] !== undefined) {
      throw new AppError("PAYMENT_REQUIRED", REASONS[account.state] as string);
    }
    if (limitMicros === null || this.spent(accountId) < limitMicros) return;
    throw new AppError(
      "PAYMENT_REQUIRED",
      `The account has reached its spending limit of $${formatDollars(limitMicros)} for this month.`,
    );
  }

  /** Micro-dollars in this month. */
  spent(accountId: string): bigint {
    const known = (part: "current" | "later") =>
      (this.#settling[part].get(accountId) ?? 0n) + (this.#pending[part].get(accountId) ?? 0n);
    if (this.#clock.now() >= this.#monthEndMs) return known("later");
    return (this.#snapshot.accounts.get(accountId)?.spentMicros ?? 0n) + known("current");
  }

  /** Whether what the account runs is to stand still. */
  isSuspended(accountId: string): boolean {
    return (this.#snapshot.accounts.get(accountId)?.state ?? "UNSUSPENDED") !== "UNSUSPENDED";
  }
}

/** Reasons that a new month doesn't end; the spending limit has its own. */
const REASONS: Partial<Record<SuspendState, string>> = {
  FAILED_PAYMENTS: "The account is suspended: an invoice was not paid in time.",
  CREDIT_DEPLETED: "The account is suspended: its credits are used up.",
  BLOCKED_BY_ABUSE_RULE: "The account is suspended by the operator of the platform.",
};

function emptyPending(): Pending {
  return { current: new Map(), later: new Map() };
}

function add(sums: Map<string, bigint>, accountId: string, micros: bigint): void {
  sums.set(accountId, (sums.get(accountId) ?? 0n) + micros);
}
