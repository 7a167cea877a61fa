import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { Database } from "../../platform/db/database.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { RECENT_MS } from "./billing-cycle.ts";
import type { InvoiceStore } from "./invoice-store.ts";
import { clamp } from "./ledger-store.ts";
import type { ReservationSource, SuspendState, Suspensions, UsageCosts } from "./ports.ts";
import { reservedShares } from "./reserved-capacity.ts";
import { SpendAlerts } from "./spend-alerts.ts";
import { type AccountSpend, SpendGuard } from "./spend-guard.ts";
import { SPEND_CHANNEL, type SpendStore } from "./spend-store.ts";
import { spendLimitOf } from "./tiers.ts";
import { dayOf, HOUR_MS, hourOf, monthOf } from "./utc-periods.ts";

export interface SpendMonitorDeps {
  database: Pick<Database, "listen">;
  clock: Clock;
  log: BasicLog;
  /** False: no account has a spending limit, and only the operator suspends accounts. */
  enabled: boolean;
  usage: UsageCosts;
  suspensions: Suspensions;
  /** See `BillingDeps`. */
  spendThresholds: () => Promise<ReadonlyMap<string, readonly bigint[]>>;
  /** Null: there are no reservations. */
  reservations: ReservationSource | null;
  store: SpendStore;
  invoices: Pick<InvoiceStore, "overdue">;
}

/** How often the spending on other gateways is read. */
export const SPEND_REFRESH_MS = 5_000;
/** Attempts to change a suspension state while other processes change it too. */
const MAX_ATTEMPTS = 5;

/** Watches the accounts' spending: refuses requests, records alerts, suspends accounts and ends suspensions. */
export class SpendMonitor {
  readonly guard: SpendGuard;
  readonly #deps: SpendMonitorDeps;
  readonly #listeners: (() => void)[] = [];
  readonly #refreshLoop;
  readonly #alerts: SpendAlerts;
  #suspended = "";
  #hasChangedState = false;
  #isClosed = false;
  #loading = Promise.resolve();
  #unlisten = async (): Promise<void> => {};

  constructor(deps: SpendMonitorDeps) {
    this.#deps = deps;
    this.guard = new SpendGuard(deps.clock);
    this.#alerts = new SpendAlerts(deps);
    this.#refreshLoop = startRefreshLoop(() => this.#reload(), {
      everyMs: SPEND_REFRESH_MS,
      clock: deps.clock,
      onFailure: (err) =>
        deps.log.warn({ err }, "The accounts' spending can't be read; the last known values stay in force"),
    });
  }

  async start(): Promise<void> {
    if (this.#deps.enabled) this.#deps.usage.onClosed(this.guard.recordCost);
    await this.#refreshLoop.refresh();
    this.#unlisten = await this.#deps.database.listen(SPEND_CHANNEL, () =>
      this.#refreshLoop.refreshInBackground(),
    );
  }

  /** Refreshes this process, and notifies the others of a change. */
  async refreshAndAnnounce(): Promise<void> {
    await this.#refreshLoop.refresh();
    await this.#deps.store.announce();
  }

  /** @throws AppError ABORTED when other processes keep changing the state. */
  async setBlocked(accountId: string, isBlocked: boolean): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const state = await this.#stateOf(accountId);
      if ((state === BLOCKED) === isBlocked) return;
      // After an unblock, the refresh finds other reasons for a suspension at once.
      if (await this.#changeState(accountId, state, isBlocked ? BLOCKED : "UNSUSPENDED"))
        return this.refreshAndAnnounce();
      if (attempt === MAX_ATTEMPTS)
        throw new AppError("ABORTED", "The account is being changed by others; try again.");
    }
  }

  refresh(): Promise<void> {
    return this.#refreshLoop.refresh();
  }

  /** Micro-dollars spent in this month (UTC). */
  async spent(accountId: string): Promise<bigint> {
    if (this.#deps.enabled) return this.guard.spent(accountId);
    const { startMs, endMs } = monthOf(this.#deps.clock.now());
    return (await this.#deps.usage.costs(new Date(startMs), new Date(endMs))).get(accountId) ?? 0n;
  }

  /** Calls `listener` whenever the set of suspended accounts changes. */
  onSuspension(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Stops the refreshes and waits for the one in progress. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#refreshLoop.stop();
    await this.#unlisten();
    await this.#loading.catch(() => {});
  }

  async #reload(): Promise<void> {
    if (this.#isClosed) return;
    this.#hasChangedState = false;
    this.#loading = this.#load();
    await this.#loading;
    // The state was changed on the basis of sums that may be older than another process's; check it again.
    if (this.#hasChangedState) this.#refreshLoop.refreshInBackground();
  }

  async #load(): Promise<void> {
    const { clock, enabled, usage, suspensions, spendThresholds } = this.#deps;
    const { startMs, endMs } = monthOf(clock.now());
    const [month, end] = [new Date(startMs), new Date(endMs)];
    const states = new Map(await suspensions.all());
    const thresholds = await spendThresholds();
    if (enabled) {
      this.guard.beginRefresh();
      await usage.flush();
    }
    const spending = enabled ? await this.#spending(month, end) : await this.#costs(month, end, thresholds);
    const accounts = new Map<string, AccountSpend>();
    for (const accountId of new Set([...spending.keys(), ...states.keys()])) {
      const spend = spending.get(accountId) ?? { ...NOTHING_SPENT, limitMicros: this.#defaultLimit() };
      const state = await this.#updateState(accountId, spend, states.get(accountId) ?? "UNSUSPENDED");
      accounts.set(accountId, { ...spend, state });
      await this.#alerts.warn({
        accountId,
        month,
        spentMicros: spend.spentMicros,
        limitMicros: spend.limitMicros,
        customThresholds: thresholds.get(accountId) ?? [],
      });
    }
    this.guard.endRefresh({ monthStartMs: startMs, accounts, defaultLimitMicros: this.#defaultLimit() });
    this.#notifyListeners(accounts);
  }

  #defaultLimit(): bigint | null {
    return this.#deps.enabled ? spendLimitOf(NO_TERMS).limitMicros : null;
  }

  /** Spending while billing is off: only for accounts that have set thresholds. */
  async #costs(
    from: Date,
    to: Date,
    thresholds: ReadonlyMap<string, unknown>,
  ): Promise<Map<string, Spending>> {
    if (thresholds.size === 0) return new Map();
    const costs = await this.#deps.usage.costs(from, to);
    return new Map(
      [...thresholds.keys()].map((id) => [id, { ...NOTHING_SPENT, spentMicros: costs.get(id) ?? 0n }]),
    );
  }

  async #spending(from: Date, to: Date): Promise<Map<string, Spending>> {
    const { usage, store, invoices, clock } = this.#deps;
    const openMs = hourOf(clock.now()) - HOUR_MS;
    // Read this first. Usage that is waived in the meantime is then deducted twice for a moment, never missed.
    const reserved = await this.#reserved(openMs, to);
    const reservedInMonth = from.getTime() <= openMs ? reserved : await this.#reserved(from.getTime(), to);
    const [costs, waived, credits, terms, overdue] = await Promise.all([
      usage.costs(from, to),
      store.waived(from, to),
      this.#credits(to, reserved),
      store.accounts(),
      invoices.overdue(new Date(clock.now())),
    ]);
    const byAccount = new Map(terms.map((row) => [row.accountId, row]));
    const spendingOf = (accountId: string): Spending => {
      const cost = costs.get(accountId) ?? 0n;
      const served = reservedInMonth.get(accountId) ?? 0n;
      return {
        spentMicros: clamp(cost - (waived.get(accountId) ?? 0n) - served, cost),
        limitMicros: spendLimitOf(byAccount.get(accountId) ?? NO_TERMS).limitMicros,
        creditMicros: credits.get(accountId) ?? null,
        isOverdue: overdue.has(accountId),
      };
    };
    return new Map(
      [...new Set([...costs.keys(), ...byAccount.keys()])].map((accountId) => [
        accountId,
        spendingOf(accountId),
      ]),
    );
  }

  /** Remaining credits of prepaid accounts: their credits less the usage that is not charged yet. */
  async #credits(to: Date, reserved: ReadonlyMap<string, bigint>): Promise<Map<string, bigint>> {
    const { store, usage, clock } = this.#deps;
    // Older usage is charged already.
    const from = new Date(dayOf(clock.now() - RECENT_MS));
    const prepaid = await store.prepaid(from, to);
    if (prepaid.size === 0) return prepaid;
    const costs = await usage.costs(from, to);
    return new Map(
      [...prepaid].map(([id, micros]) => [id, micros - (costs.get(id) ?? 0n) + (reserved.get(id) ?? 0n)]),
    );
  }

  /** Cost that reserved capacity serves in these hours and that is not waived yet, by account. */
  async #reserved(fromMs: number, to: Date): Promise<Map<string, bigint>> {
    const { reservations: source, store } = this.#deps;
    const from = new Date(fromMs);
    const reservations = (await source?.between(from, to)) ?? [];
    if (source === null || reservations.length === 0) return new Map();
    const accountIds = [...new Set(reservations.map(({ accountId }) => accountId))];
    const [times, waived] = await Promise.all([
      source.acceleratorTime(accountIds, from, to),
      store.waived(from, to),
    ]);
    return new Map(
      accountIds.map((accountId) => {
        const accountTimes = times.filter((time) => time.accountId === accountId);
        const shares = [...reservedShares(accountTimes, reservations).values()];
        const served = shares.reduce((sum, share) => sum + share, 0n);
        return [accountId, clamp(served - (waived.get(accountId) ?? 0n), served)];
      }),
    );
  }

  /** Changes the account's state to what its spending requires. @returns the resulting state. */
  async #updateState(accountId: string, spend: Spending, current: SuspendState): Promise<SuspendState> {
    let state = current;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const next = stateFor(spend, state);
      if (next === state || (await this.#changeState(accountId, state, next))) return next;
      // Another process changed the state first.
      state = await this.#stateOf(accountId);
    }
    return state;
  }

  async #stateOf(accountId: string): Promise<SuspendState> {
    return (await this.#deps.suspensions.all()).get(accountId) ?? "UNSUSPENDED";
  }

  async #changeState(accountId: string, from: SuspendState, to: SuspendState): Promise<boolean> {
    const isChanged = await this.#deps.suspensions.change(accountId, from, to);
    this.#hasChangedState ||= isChanged;
    if (isChanged) this.#deps.log.warn({ accountId, from, to }, "An account's suspension has changed");
    return isChanged;
  }

  #notifyListeners(accounts: ReadonlyMap<string, AccountSpend>): void {
    const suspended = [...accounts].filter(([, { state }]) => state !== "UNSUSPENDED").map(([id]) => id);
    const signature = suspended.sort().join();
    if (signature === this.#suspended) return;
    this.#suspended = signature;
    for (const listener of this.#listeners) listener();
  }
}

type Spending = Omit<AccountSpend, "state"> & { isOverdue: boolean };

const BLOCKED = "BLOCKED_BY_ABUSE_RULE";
const NO_TERMS = { tier: null, qualifyingMicros: 0n, spendLimitMicros: null };
const NOTHING_SPENT: Spending = { spentMicros: 0n, limitMicros: null, creditMicros: null, isOverdue: false };

function stateFor(
  { spentMicros, limitMicros, creditMicros, isOverdue }: Spending,
  state: SuspendState,
): SuspendState {
  if (state === BLOCKED) return state;
  if (isOverdue) return "FAILED_PAYMENTS";
  if (creditMicros !== null && creditMicros <= 0n) return "CREDIT_DEPLETED";
  if (limitMicros !== null && spentMicros >= limitMicros) return "MONTHLY_SPEND_LIMIT_EXCEEDED";
  return "UNSUSPENDED";
}
