import type { Clock } from "../../lib/clock.ts";
import { keepFresh } from "../../lib/freshness.ts";
import type { Database } from "../../platform/db/database.ts";
import type { DatabaseLog } from "../../platform/db/embedded.ts";
import { formatDollars } from "../money/service.ts";
import type { InvoiceStore } from "./invoice-store.ts";
import { clamp } from "./ledger-store.ts";
import { monthOf } from "./months.ts";
import type { SuspendState, Suspensions, UsageCosts } from "./ports.ts";
import { type AccountSpend, SpendGuard } from "./spend-guard.ts";
import { SPEND_CHANNEL, type SpendStore } from "./spend-store.ts";
import { spendLimitOf } from "./tiers.ts";

export interface SpendDeps {
  database: Pick<Database, "listen">;
  clock: Clock;
  log: DatabaseLog;
  /** False: nobody is limited, and nobody is suspended but by the operator. */
  enabled: boolean;
  usage: UsageCosts;
  suspensions: Suspensions;
  store: SpendStore;
  invoices: Pick<InvoiceStore, "overdue">;
}

/** How much later than others this process may hear of what was spent elsewhere. */
export const SPEND_REFRESH_MS = 5_000;
const MAX_WARNED = 10_000;
const WARNING_PERCENTS = [50, 80, 100];

/** Watches what accounts spend: refuses requests, warns, suspends, and ends suspensions. */
export class Spend {
  readonly guard: SpendGuard;
  readonly #deps: SpendDeps;
  readonly #listeners: (() => void)[] = [];
  readonly #fresh;
  /** Alerts that are in the database for sure. Bounded: emptied when full. */
  readonly #warned = new Set<string>();
  #suspended = "";
  #unlisten = async (): Promise<void> => {};

  constructor(deps: SpendDeps) {
    this.#deps = deps;
    this.guard = new SpendGuard(deps.clock);
    this.#fresh = keepFresh(() => this.#load(), {
      everyMs: SPEND_REFRESH_MS,
      clock: deps.clock,
      onFailure: (err) =>
        deps.log.warn({ err }, "What accounts have spent can't be read; the last known stays"),
    });
  }

  async start(): Promise<void> {
    if (this.#deps.enabled) this.#deps.usage.onClosed(this.guard.closed);
    await this.#fresh.refresh();
    this.#unlisten = await this.#deps.database.listen(SPEND_CHANNEL, () => this.#fresh.poke());
  }

  /** Brings this process up to date, and tells the others that something has changed. */
  async changed(): Promise<void> {
    await this.#fresh.refresh();
    await this.#deps.store.announce();
  }

  refresh(): Promise<void> {
    return this.#fresh.refresh();
  }

  /** In this month of UTC. */
  async spent(accountId: string): Promise<bigint> {
    if (this.#deps.enabled) return this.guard.spent(accountId);
    const { startMs, endMs } = monthOf(this.#deps.clock.now());
    return (await this.#deps.usage.costs(new Date(startMs), new Date(endMs))).get(accountId) ?? 0n;
  }

  /** Calls `listener` when other accounts are suspended than before. */
  onSuspension(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#fresh.stop();
    await this.#unlisten();
  }

  async #load(): Promise<void> {
    const { clock, enabled, usage, suspensions } = this.#deps;
    const { startMs, endMs } = monthOf(clock.now());
    const states = new Map(await suspensions.all());
    const accounts = new Map<string, AccountSpend>();
    if (enabled) {
      this.guard.beginRefresh();
      await usage.flush();
      for (const [accountId, spend] of await this.#spending(new Date(startMs), new Date(endMs))) {
        const state = states.get(accountId) ?? "UNSUSPENDED";
        accounts.set(accountId, { ...spend, state: await this.#judge(accountId, spend, state) });
        await this.#warn(accountId, spend, new Date(startMs));
        states.delete(accountId);
      }
    }
    for (const [accountId, state] of states) {
      const judged = await this.#judge(accountId, NOTHING_SPENT, state);
      accounts.set(accountId, { ...NOTHING_SPENT, limitMicros: this.#defaultLimit(), state: judged });
    }
    this.guard.endRefresh({ monthStartMs: startMs, accounts, defaultLimitMicros: this.#defaultLimit() });
    this.#tell(accounts);
  }

  #defaultLimit(): bigint | null {
    return this.#deps.enabled ? spendLimitOf(NO_TERMS).limitMicros : null;
  }

  async #spending(from: Date, to: Date): Promise<Map<string, Spending>> {
    const { usage, store, invoices, clock } = this.#deps;
    const [costs, waived, terms, overdue] = await Promise.all([
      usage.costs(from, to),
      store.waived(from, to),
      store.accounts(),
      invoices.overdue(new Date(clock.now())),
    ]);
    const byAccount = new Map(terms.map((row) => [row.accountId, row]));
    return new Map(
      [...new Set([...costs.keys(), ...byAccount.keys()])].map((accountId) => {
        const cost = costs.get(accountId) ?? 0n;
        return [
          accountId,
          {
            spentMicros: clamp(cost - (waived.get(accountId) ?? 0n), cost),
            limitMicros: spendLimitOf(byAccount.get(accountId) ?? NO_TERMS).limitMicros,
            isOverdue: overdue.has(accountId),
          },
        ];
      }),
    );
  }

  /** Moves the account to the state it should be in; gives the one it is in. */
  async #judge(accountId: string, spend: Spending, state: SuspendState): Promise<SuspendState> {
    const next = stateFor(spend, state);
    if (next === state) return state;
    if (!(await this.#deps.suspensions.change(accountId, state, next))) return state;
    const { spentMicros, limitMicros } = spend;
    const figures = { spent: formatDollars(spentMicros), limit: formatDollars(limitMicros ?? 0n) };
    this.#deps.log.warn({ accountId, from: state, to: next, ...figures }, "An account's suspension changes");
    return next;
  }

  async #warn(accountId: string, { spentMicros, limitMicros }: Spending, month: Date): Promise<void> {
    const { store, clock, log } = this.#deps;
    if (limitMicros === null || limitMicros === 0n) return;
    for (const percent of WARNING_PERCENTS) {
      const key = `${accountId} ${month.getTime()} ${limitMicros} ${percent}`;
      if (spentMicros * 100n < limitMicros * BigInt(percent) || this.#warned.has(key)) continue;
      const alert = {
        accountId,
        month,
        percent,
        limitMicros,
        spentMicros,
        createTime: new Date(clock.now()),
      };
      if (await store.addAlert(alert)) {
        log.warn(
          { accountId, percent, spent: formatDollars(spentMicros), limit: formatDollars(limitMicros) },
          "An account nears its spending limit",
        );
      }
      if (this.#warned.size >= MAX_WARNED) this.#warned.clear();
      this.#warned.add(key);
    }
  }

  #tell(accounts: ReadonlyMap<string, AccountSpend>): void {
    const suspended = [...accounts].filter(([, { state }]) => state !== "UNSUSPENDED").map(([id]) => id);
    const signature = suspended.sort().join();
    if (signature === this.#suspended) return;
    this.#suspended = signature;
    for (const listener of this.#listeners) listener();
  }
}

interface Spending {
  spentMicros: bigint;
  limitMicros: bigint | null;
  isOverdue: boolean;
}

const NO_TERMS = { tier: null, qualifyingMicros: 0n, spendLimitMicros: null };
const NOTHING_SPENT: Spending = { spentMicros: 0n, limitMicros: null, isOverdue: false };

function stateFor({ spentMicros, limitMicros, isOverdue }: Spending, state: SuspendState): SuspendState {
  if (state === "BLOCKED_BY_ABUSE_RULE") return state;
  if (isOverdue) return "FAILED_PAYMENTS";
  if (limitMicros !== null && spentMicros >= limitMicros) return "MONTHLY_SPEND_LIMIT_EXCEEDED";
  return "UNSUSPENDED";
}
