import { divideRounded, type Prices } from "../money/service.ts";
import { clamp, type NewTransaction } from "./ledger-store.ts";
import type { AcceleratorTime, ReservedCapacity } from "./ports.ts";
import { DAY_MS, HOUR_MS } from "./utc-periods.ts";

/**
 * The part of the cost that reserved capacity serves, by account, hour and deployment; see `reservedShareKey`. The
 * capacity is a pool for each hour: 12 reserved accelerators serve 12 accelerator hours, first come, first served in
 * the order of `times`.
 */
export function reservedShares(
  times: readonly AcceleratorTime[],
  reservations: readonly ReservedCapacity[],
): Map<string, bigint> {
  const unused = new Map<string, bigint>();
  const shares = new Map<string, bigint>();
  for (const { accountId, hour, acceleratorType, deployment, durationMs, costMicros } of times) {
    if (durationMs === 0n) continue;
    const hourMs = hour.getTime();
    const pool = JSON.stringify([accountId, hourMs, acceleratorType]);
    const matching = reservations.filter(
      (one) => one.accountId === accountId && one.acceleratorType === acceleratorType,
    );
    const available =
      unused.get(pool) ?? matching.reduce((sum, one) => sum + heldMs(one, hourMs, hourMs + HOUR_MS), 0n);
    const served = clamp(available, durationMs);
    unused.set(pool, available - served);
    const key = reservedShareKey(accountId, hour, deployment);
    shares.set(key, (shares.get(key) ?? 0n) + divideRounded(costMicros * served, durationMs));
  }
  return shares;
}

export function reservedShareKey(accountId: string, hour: Date, deployment: string): string {
  return JSON.stringify([accountId, hour.getTime(), deployment]);
}

/** The charge for a reservation on one day (UTC), used or not; null: nothing to charge. */
export function reservationCharge(options: {
  reservation: ReservedCapacity;
  prices: Pick<Prices, "priceOf">;
  /** First millisecond of the day. */
  dayMs: number;
  now: Date;
}): NewTransaction | null {
  const { reservation, prices, dayMs, now } = options;
  const { accountId, name, acceleratorType } = reservation;
  const price = prices.priceOf("gpu_seconds", acceleratorType, dayMs);
  const ms = heldMs(reservation, dayMs, dayMs + DAY_MS);
  const micros = price === null ? 0n : divideRounded(price.quantity * ms, price.per);
  if (micros === 0n) return null;
  const hour = new Date(dayMs);
  const date = hour.toISOString().slice(0, 10);
  return {
    accountId,
    kind: "reservation",
    amountMicros: micros,
    reference: "",
    createdBy: "",
    description: `${name} on ${date}`,
    idempotencyKey: `reservation/${name}/${date}`,
    createTime: now,
    charges: [{ hour, kind: "reservation", subject: name, micros }],
  };
}

/** Milliseconds times accelerators that the reservation holds between `fromMs` and `toMs`. */
function heldMs({ startTime, endTime, count }: ReservedCapacity, fromMs: number, toMs: number): bigint {
  const start = Math.max(startTime.getTime(), fromMs);
  const end = Math.min(endTime.getTime(), toMs);
  return end > start ? BigInt(end - start) * BigInt(count) : 0n;
}
