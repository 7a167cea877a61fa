import { divideRounded, type Prices } from "../money/service.ts";
import { clamp, type NewTransaction } from "./ledger-store.ts";
import type { AcceleratorTime, ReservedCapacity } from "./ports.ts";
import { DAY_MS, HOUR_MS } from "./utc-periods.ts";

/**
 * What of the cost reserved capacity serves, by account, hour and deployment; see `reservedShareKey`. It is counted by the
 * hour: twelve accelerators reserved are twelve hours of one, for the deployments in the order of their names.
 */
export function reservedShares(
  times: readonly AcceleratorTime[],
  reservations: readonly ReservedCapacity[],
): Map<string, bigint> {
  const left = new Map<string, bigint>();
  const shares = new Map<string, bigint>();
  for (const { accountId, hour, acceleratorType, deployment, durationMs, costMicros } of times) {
    if (durationMs === 0n) continue;
    const hourMs = hour.getTime();
    const pool = JSON.stringify([accountId, hourMs, acceleratorType]);
    const own = reservations.filter(
      (one) => one.accountId === accountId && one.acceleratorType === acceleratorType,
    );
    const free = left.get(pool) ?? own.reduce((sum, one) => sum + heldMs(one, hourMs, hourMs + HOUR_MS), 0n);
    const served = clamp(free, durationMs);
    left.set(pool, free - served);
    const key = reservedShareKey(accountId, hour, deployment);
    shares.set(key, (shares.get(key) ?? 0n) + divideRounded(costMicros * served, durationMs));
  }
  return shares;
}

export function reservedShareKey(accountId: string, hour: Date, deployment: string): string {
  return JSON.stringify([accountId, hour.getTime(), deployment]);
}

/** What the reservation costs on a day of UTC, used or not; null: nothing. */
export function reservationCharge(
  reservation: ReservedCapacity,
  prices: Pick<Prices, "priceOf">,
  dayMs: number,
  now: Date,
): NewTransaction | null {
  const { accountId, name, acceleratorType } = reservation;
  const price = prices.priceOf("gpu_seconds", acceleratorType, dayMs);
  const ms = heldMs(reservation, dayMs, dayMs + DAY_MS);
  const micros = price === null ? 0n : divideRounded(price.quantity * ms, price.per);
  if (micros === 0n) return null;
  const hour = new Date(dayMs);
  const date = hour.toISOString().slice(0, 10);
  return {
    ...{ accountId, kind: "reservation", amountMicros: micros, reference: "", createdBy: "" },
    description: `${name} on ${date}`,
    idempotencyKey: `reservation/${name}/${date}`,
    createTime: now,
    charges: [{ hour, kind: "reservation", subject: name, micros }],
  };
}

/** Milliseconds times accelerators that it holds within. */
function heldMs({ startTime, endTime, count }: ReservedCapacity, fromMs: number, toMs: number): bigint {
  const start = Math.max(startTime.getTime(), fromMs);
  const end = Math.min(endTime.getTime(), toMs);
  return end > start ? BigInt(end - start) * BigInt(count) : 0n;
}
