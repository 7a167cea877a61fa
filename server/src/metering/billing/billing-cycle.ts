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
  /** False: usage is charged as waived, so that nobody owes it. */
  enabled: boolean;
  usage: Pick<UsageCosts, "hourlyCosts" | "costs" | "firstDay">;
  ledger: Pick<LedgerStore, "posted" | "charged" | "reservedDays" | "postUsage" | "post">;
  /** Null: there are no reservations. */
  reservations: ReservationSource | null;
  invoices: Pick<InvoiceStore, "accountsToInvoice" | "issue">;
}

/**
 * Each run checks the usage of this time, in which nearly all late usage arrives. Older usage is checked once a day.
 */
export const RECENT_MS = 2 * DAY_MS;
/** Invoices wait this long after the month's end for usage that is still on its way. */
const CLOSE_AFTER_MS = HOUR_MS;
const DUE_AFTER_MS = 14 * DAY_MS;

/**
 * Charges usage when its hour is over, and issues invoices when their month is over. Each run compares the usage with
 * the charges so far and charges only the difference, so a repeated, late or interrupted run does no harm.
 */
export class BillingCycle {
  readonly #deps: BillingCycleDeps;
  #nextFullRunMs = 0;

  constructor(deps: BillingCycleDeps) {
    this.#deps = deps;
  }

  async run(): Promise<void> {
    const isWaived = !this.#deps.enabled;
    const nowMs = this.#deps.clock.now();
    const recentMs = dayOf(nowMs - RECENT_MS);
    if (nowMs >= this.#nextFullRunMs || nowMs < this.#nextFullRunMs - DAY_MS) {
      await this.#catchUp(recentMs, isWaived);
      this.#nextFullRunMs = nowMs + DAY_MS;
    }
    await this.#post(recentMs, hourOf(nowMs), isWaived);
    await this.#issueInvoices(nowMs);
  }

  /** Waives all usage so far that is not charged yet. */
  async waiveAll(): Promise<void> {
    await this.#catchUp(dayOf(this.#deps.clock.now()) + DAY_MS, true);
  }

  /** Charges usage that arrived late, however old: posts each month whose charges don't equal its usage. */
  async #catchUp(endMs: number, isWaived: boolean): Promise<void> {
    const { usage, reservations: source } = this.#deps;
    const reserved = (await source?.between(new Date(0), new Date(endMs))) ?? [];
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

  /** Compares the totals only, which is cheap. That suffices, because charges never exceed the usage. */
  async #isUncharged(from: Date, to: Date): Promise<boolean> {
    const { usage, ledger } = this.#deps;
    const [costs, charged] = await Promise.all([usage.costs(from, to), ledger.charged(from, to)]);
    return [...costs].some(([accountId, cost]) => cost > (charged.get(accountId) ?? 0n));
  }

  /** Works day by day, so that memory holds the sums of one day at most. @param fromMs the beginning of a day. */
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
    const charged = new Map(posted.map((one) => [keyOf(one), one.micros]));
    const uncharged = costs.filter((one) => one.costMicros > (charged.get(keyOf(one)) ?? 0n));
    const shares = isWaived ? new Map<string, bigint>() : await this.#reservedShares(from, to);
    const failures: unknown[] = [];
    for (const hour of byHour(uncharged, shares)) {
      // An error of one account must not block the others.
      await ledger.postUsage(hour, new Date(clock.now()), isWaived).catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  async #reservedShares(from: Date, to: Date): Promise<ReadonlyMap<string, bigint>> {
    const { reservations: source } = this.#deps;
    const reserved = (await source?.between(from, to)) ?? [];
    if (source === null || reserved.length === 0) return new Map();
    const accountIds = [...new Set(reserved.map(({ accountId }) => accountId))];
    return reservedShares(await source.acceleratorTime(accountIds, from, to), reserved);
  }

  /** Charges reservations for each full day, whether they were used or not. */
  async #chargeReservations(fromMs: number, toMs: number, isWaived: boolean): Promise<void> {
    const { reservations: source, ledger, clock } = this.#deps;
    const [from, to] = [new Date(fromMs), new Date(toMs)];
    const reserved = (await source?.between(from, to)) ?? [];
    if (source === null || reserved.length === 0) return;
    const charged = await ledger.reservedDays(from, to);
    for (const reservation of reserved) {
      for (let dayMs = fromMs; dayMs < toMs; dayMs += DAY_MS) {
        if (charged.has(`${reservation.name} ${dayMs}`)) continue;
        const charge = reservationCharge({
          reservation,
          prices: source.prices,
          dayMs,
          now: new Date(clock.now()),
        });
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
    const usage = hours.get(key) ?? { accountId, hour, totals: [] };
    const share = kind === "gpu_seconds" ? shares.get(reservedShareKey(accountId, hour, subject)) : undefined;
    usage.totals.push({ kind, subject, micros: costMicros, reservedMicros: share ?? 0n });
    hours.set(key, usage);
  }
  return [...hours.values()];
}
