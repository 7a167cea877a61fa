import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { InvoiceStore } from "./invoice-store.ts";
import type { CostTotal, HourlyUsage, LedgerStore } from "./ledger-store.ts";
import type { HourlyCost, ReservationSource, UsageCosts } from "./ports.ts";
import { reservationCharge, reservedShareKey, reservedShares } from "./reserved-capacity.ts";
import { DAY_MS, dayOf, HOUR_MS, hourOf, monthOf } from "./utc-periods.ts";

export interface BillingCycleDeps {
  clock: Clock;
  log: BasicLog;
  /** False: usage is written down, and nobody owes it. */
  enabled: boolean;
  usage: Pick<UsageCosts, "hourlyCosts" | "costs" | "firstDay">;
  ledger: Pick<LedgerStore, "posted" | "charged" | "reservedDays" | "postUsage" | "post">;
  /** Null: nothing is reserved. */
  reservations: ReservationSource | null;
  invoices: Pick<InvoiceStore, "accountsToInvoice" | "issue">;
}

/** What is looked at every time: most of what comes late comes within this time. What is older, once a day. */
export const RECENT_MS = 2 * DAY_MS;
/** How long after a month's end its invoices wait for what is still on its way. */
const CLOSE_AFTER_MS = HOUR_MS;
const DUE_AFTER_MS = 14 * DAY_MS;

/**
 * Charges usage by the hour, when the hour is over, and issues invoices, when the month is. What was charged is compared
 * with what it should be: doing it twice, late or half changes nothing in the end.
 */
export class BillingCycle {
  readonly #deps: BillingCycleDeps;
  #nextFullMs = 0;

  constructor(deps: BillingCycleDeps) {
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const isWaived = !this.#deps.enabled;
    const nowMs = this.#deps.clock.now();
    const recentMs = dayOf(nowMs - RECENT_MS);
    if (nowMs >= this.#nextFullMs || nowMs < this.#nextFullMs - DAY_MS) {
      await this.#catchUp(recentMs, isWaived);
      this.#nextFullMs = nowMs + DAY_MS;
    }
    await this.#post(recentMs, hourOf(nowMs), isWaived);
    await this.#issueInvoices(nowMs);
  }

  /** Nobody is to pay for what there is so far. */
  async waiveAll(): Promise<void> {
    await this.#catchUp(dayOf(this.#deps.clock.now()) + DAY_MS, true);
  }

  /** However late usage came: months whose sums are not what was charged of them are looked at day by day. */
  async #catchUp(endMs: number, isWaived: boolean): Promise<void> {
    const { usage, reservations: reserving } = this.#deps;
    const reserved = (await reserving?.between(new Date(0), new Date(endMs))) ?? [];
    const first = [await usage.firstDay(), ...reserved.map(({ startTime }) => startTime)];
    const firstMs = Math.min(...first.map((date) => date?.getTime() ?? endMs));
    for (let fromMs = dayOf(firstMs); fromMs < endMs; fromMs = monthOf(fromMs).endMs) {
      const toMs = Math.min(monthOf(fromMs).endMs, endMs);
      await this.#chargeReservations(fromMs, toMs, isWaived);
      if (await this.#isUncharged(new Date(fromMs), new Date(toMs))) {
        await this.#post(fromMs, toMs, isWaived);
      }
    }
  }

  /** Sums are cheap to compare: what was charged is never more than what was used. */
  async #isUncharged(from: Date, to: Date): Promise<boolean> {
    const { usage, ledger } = this.#deps;
    const [costs, charged] = await Promise.all([usage.costs(from, to), ledger.charged(from, to)]);
    return [...costs].some(([accountId, cost]) => cost > (charged.get(accountId) ?? 0n));
  }

  /** Day by day, so that memory holds one day's sums at most. @param fromMs the beginning of a day. */
  async #post(fromMs: number, toMs: number, isWaived: boolean): Promise<void> {
    await this.#chargeReservations(fromMs, dayOf(toMs), isWaived);
    for (let dayMs = fromMs; dayMs < toMs; dayMs += DAY_MS) {
      await this.#postUsage(new Date(dayMs), new Date(Math.min(dayMs + DAY_MS, toMs)), isWaived);
    }
  }

  async #postUsage(from: Date, to: Date, isWaived: boolean): Promise<void> {
    if (!(await this.#isUncharged(from, to))) return;
    const { usage, ledger, clock } = this.#deps;
    const [costs, posted] = await Promise.all([usage.hourlyCosts(from, to), ledger.posted(from, to)]);
    const known = new Map(posted.map((one) => [keyOf(one), one.micros]));
    const fresh = costs.filter((one) => one.costMicros > (known.get(keyOf(one)) ?? 0n));
    const shares = isWaived ? new Map<string, bigint>() : await this.#reservedShares(from, to);
    const failures: unknown[] = [];
    for (const hour of byHour(fresh, shares)) {
      // What goes wrong with one account is not to hold up the others.
      await ledger.postUsage(hour, new Date(clock.now()), isWaived).catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  async #reservedShares(from: Date, to: Date): Promise<ReadonlyMap<string, bigint>> {
    const { reservations: reserving } = this.#deps;
    const reserved = (await reserving?.between(from, to)) ?? [];
    if (reserving === null || reserved.length === 0) return new Map();
    const accountIds = [...new Set(reserved.map(({ accountId }) => accountId))];
    return reservedShares(await reserving.acceleratorTime(accountIds, from, to), reserved);
  }

  /** Of full days, used or not. */
  async #chargeReservations(fromMs: number, toMs: number, isWaived: boolean): Promise<void> {
    const { reservations: reserving, ledger, clock } = this.#deps;
    const [from, to] = [new Date(fromMs), new Date(toMs)];
    const reserved = (await reserving?.between(from, to)) ?? [];
    if (reserving === null || reserved.length === 0) return;
    const charged = await ledger.reservedDays(from, to);
    for (const one of reserved) {
      for (let dayMs = fromMs; dayMs < toMs; dayMs += DAY_MS) {
        if (charged.has(`${one.name} ${dayMs}`)) continue;
        const charge = reservationCharge(one, reserving.prices, dayMs, new Date(clock.now()));
        if (charge !== null) await ledger.post(isWaived ? { ...charge, kind: "waived_usage" } : charge);
      }
    }
  }

  async #issueInvoices(nowMs: number): Promise<void> {
    const { invoices, log } = this.#deps;
    const period = monthOf(monthOf(nowMs - CLOSE_AFTER_MS).startMs - 1);
    const [periodStart, periodEnd] = [new Date(period.startMs), new Date(period.endMs)];
    for (const kind of ["usage", "reservations"] as const) {
      const month = periodStart.toISOString().slice(0, 7);
      const id = kind === "usage" ? month : `${month}-${kind}`;
      for (const accountId of await invoices.accountsToInvoice(kind, { periodStart, periodEnd })) {
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

function byHour(costs: readonly HourlyCost[], shares: ReadonlyMap<string, bigint>): HourlyUsage[] {
  const hours = new Map<string, HourlyUsage & { totals: CostTotal[] }>();
  for (const { accountId, hour, kind, subject, costMicros } of costs) {
    const key = `${accountId} ${hour.getTime()}`;
    const one = hours.get(key) ?? { accountId, hour, totals: [] };
    const share = kind === "gpu_seconds" ? shares.get(reservedShareKey(accountId, hour, subject)) : undefined;
    one.totals.push({ kind, subject, micros: costMicros, reservedMicros: share ?? 0n });
    hours.set(key, one);
  }
  return [...hours.values()];
}
