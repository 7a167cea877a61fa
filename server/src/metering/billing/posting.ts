import type { Clock } from "../../lib/clock.ts";
import type { DatabaseLog } from "../../platform/db/embedded.ts";
import type { InvoiceStore } from "./invoice-store.ts";
import type { CostTotal, HourOfUsage, LedgerStore } from "./ledger-store.ts";
import { DAY_MS, dayOf, HOUR_MS, hourOf, monthOf } from "./months.ts";
import type { HourlyCost, Reserving, UsageCosts } from "./ports.ts";
import { reservationCharge, reservedKey, reservedShares } from "./reserved.ts";

export interface PostingDeps {
  clock: Clock;
  log: DatabaseLog;
  /** False: usage is written down, and nobody owes it. */
  enabled: boolean;
  usage: Pick<UsageCosts, "hourlyCosts">;
  ledger: Pick<LedgerStore, "posted" | "postUsage" | "post">;
  /** Null: nothing is reserved. */
  reserving: Reserving | null;
  invoices: Pick<InvoiceStore, "accountsToInvoice" | "issue">;
}

/** What is looked at every time: most of what comes late comes within this time. */
const RECENT_MS = 2 * DAY_MS;
/** What is looked at once a day. */
const ALL_MS = 62 * DAY_MS;
/** How long after a month's end its invoices wait for what is still on its way. */
const CLOSE_AFTER_MS = HOUR_MS;
const DUE_AFTER_MS = 14 * DAY_MS;

/**
 * Charges usage by the hour, when the hour is over, and issues invoices, when the month is. What was charged is compared
 * with what it should be: doing it twice, late or half changes nothing in the end.
 */
export class Posting {
  readonly #deps: PostingDeps;
  #nextFullMs = 0;

  constructor(deps: PostingDeps) {
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const nowMs = this.#deps.clock.now();
    const isFull = nowMs >= this.#nextFullMs || nowMs < this.#nextFullMs - DAY_MS;
    const endMs = hourOf(nowMs);
    // Day by day, so that memory holds one day's sums at most.
    for (let dayMs = dayOf(nowMs - (isFull ? ALL_MS : RECENT_MS)); dayMs < endMs; dayMs += DAY_MS) {
      await this.#postUsage(dayMs, Math.min(dayMs + DAY_MS, endMs));
    }
    if (isFull) this.#nextFullMs = nowMs + DAY_MS;
    await this.#issueInvoices(nowMs);
  }

  async #postUsage(fromMs: number, toMs: number): Promise<void> {
    const { usage, ledger, clock, enabled } = this.#deps;
    const [from, to] = [new Date(fromMs), new Date(toMs)];
    const [costs, posted] = await Promise.all([usage.hourlyCosts(from, to), ledger.posted(from, to)]);
    const known = new Map(posted.map((one) => [keyOf(one), one.micros]));
    const fresh = costs.filter((one) => one.costMicros > (known.get(keyOf(one)) ?? 0n));
    const shares = enabled ? await this.#settleReservations(from, to) : new Map<string, bigint>();
    for (const hour of byHour(fresh, shares)) {
      await ledger.postUsage(hour, new Date(clock.now()), !enabled);
    }
  }

  /** Charges reservations, and tells what of the cost they serve. */
  async #settleReservations(from: Date, to: Date): Promise<ReadonlyMap<string, bigint>> {
    const { reserving, ledger, clock } = this.#deps;
    const reserved = (await reserving?.between(from, to)) ?? [];
    if (reserving === null || reserved.length === 0) return new Map();
    for (const one of reserved) {
      const charge = reservationCharge(one, reserving.prices, from.getTime(), new Date(clock.now()));
      if (charge !== null && to.getTime() - from.getTime() === DAY_MS) await ledger.post(charge);
    }
    const accountIds = [...new Set(reserved.map(({ accountId }) => accountId))];
    return reservedShares(await reserving.acceleratorTime(accountIds, from, to), reserved);
  }

  async #issueInvoices(nowMs: number): Promise<void> {
    const { invoices, log } = this.#deps;
    const period = monthOf(monthOf(nowMs - CLOSE_AFTER_MS).startMs - 1);
    const [periodStart, periodEnd] = [new Date(period.startMs), new Date(period.endMs)];
    for (const kind of ["usage", "reservations"] as const) {
      const month = periodStart.toISOString().slice(0, 7);
      const id = kind === "usage" ? month : `${month}-${kind}`;
      for (const accountId of await invoices.accountsToInvoice(kind, periodEnd)) {
        const createTime = new Date(nowMs);
        const dueTime = new Date(nowMs + DUE_AFTER_MS);
        const issued = await invoices.issue(kind, {
          accountId,
          id,
          periodStart,
          periodEnd,
          createTime,
          dueTime,
        });
        if (issued !== null) log.info({ accountId, invoice: id }, "An invoice was issued");
      }
    }
  }
}

function keyOf({ accountId, hour, kind, subject }: Omit<HourlyCost, "costMicros">): string {
  return JSON.stringify([accountId, hour.getTime(), kind, subject]);
}

function byHour(costs: readonly HourlyCost[], shares: ReadonlyMap<string, bigint>): HourOfUsage[] {
  const hours = new Map<string, HourOfUsage & { totals: CostTotal[] }>();
  for (const { accountId, hour, kind, subject, costMicros } of costs) {
    const key = `${accountId} ${hour.getTime()}`;
    const one = hours.get(key) ?? { accountId, hour, totals: [] };
    const share = kind === "gpu_seconds" ? shares.get(reservedKey(accountId, hour, subject)) : undefined;
    one.totals.push({ kind, subject, micros: costMicros, reservedMicros: share ?? 0n });
    hours.set(key, one);
  }
  return [...hours.values()];
}
