import { type Static, Type } from "typebox";
import { badRequest } from "../../lib/errors.ts";

const MAX_THRESHOLDS = 20;
const MICROS = 1_000_000n;
const NANOS_PER_MICRO = 1_000;

/** An amount of money as the API represents it: whole units and nanos. */
const Money = Type.Object({
  currencyCode: Type.Optional(Type.String()),
  units: Type.Optional(Type.String({ format: "int64", pattern: "^-?\\d{1,19}$" })),
  nanos: Type.Optional(Type.Integer({ minimum: -999_999_999, maximum: 999_999_999 })),
});
type Money = Static<typeof Money>;

export const NotificationSettings = Type.Object({
  /** Monthly spending that triggers an alert, in addition to the alerts that every account gets. */
  monthlySpendThresholds: Type.Optional(Type.Array(Money)),
});
export type NotificationSettings = Static<typeof NotificationSettings>;

/** @returns micro-dollars in ascending order. @throws AppError BAD_REQUEST naming the field. */
export function parseThresholds({ monthlySpendThresholds = [] }: NotificationSettings): bigint[] {
  const field = "notificationSettings.monthlySpendThresholds";
  if (monthlySpendThresholds.length > MAX_THRESHOLDS) {
    throw badRequest(field, `${field} has more than ${MAX_THRESHOLDS} amounts.`);
  }
  const micros = monthlySpendThresholds.map((money, i) => microsOf(`${field}[${i}]`, money));
  return [...new Set(micros)].sort((a, b) => (a < b ? -1 : 1));
}

export function formatThresholds(micros: readonly bigint[]): NotificationSettings {
  return {
    monthlySpendThresholds: micros.map((one) => ({
      currencyCode: "USD",
      units: String(one / MICROS),
      nanos: Number(one % MICROS) * NANOS_PER_MICRO,
    })),
  };
}

function microsOf(field: string, { currencyCode, units = "0", nanos = 0 }: Money): bigint {
  if (currencyCode !== "USD") throw badRequest(`${field}.currencyCode`, `${field}.currencyCode must be USD.`);
  if (nanos < 0 || nanos % NANOS_PER_MICRO !== 0) {
    throw badRequest(`${field}.nanos`, `${field}.nanos must be whole micro-dollars, not below 0.`);
  }
  const whole = BigInt(units);
  const micros = whole * MICROS + BigInt(nanos / NANOS_PER_MICRO);
  if (whole >= 0n && whole < 1_000_000_000n && micros > 0n) return micros;
  throw badRequest(`${field}.units`, `${field} must be above 0 and less than a billion dollars.`);
}
