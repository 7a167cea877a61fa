import type { Tier } from "./table.ts";

const DOLLAR = 1_000_000n;

/** From the highest down: what must have been paid in all, and what may be spent in a month. */
const TIER_LIMITS: readonly { tier: Tier; paidMicros: bigint; limitMicros: bigint }[] = [
  { tier: "TIER_4", paidMicros: 5_000n * DOLLAR, limitMicros: 50_000n * DOLLAR },
  { tier: "TIER_3", paidMicros: 500n * DOLLAR, limitMicros: 5_000n * DOLLAR },
  { tier: "TIER_2", paidMicros: 50n * DOLLAR, limitMicros: 500n * DOLLAR },
  { tier: "TIER_1", paidMicros: 0n, limitMicros: 50n * DOLLAR },
];

export interface SpendTerms {
  /** Null: the one that the account qualifies for. */
  tier: Tier | null;
  qualifyingMicros: bigint;
  /** What the customer has set. */
  spendLimitMicros: bigint | null;
}

export interface SpendLimit {
  tier: Tier;
  /** The tier's; null: unlimited. */
  maxMicros: bigint | null;
  /** In force; null: unlimited. */
  limitMicros: bigint | null;
}

export function spendLimitOf({ tier, qualifyingMicros, spendLimitMicros }: SpendTerms): SpendLimit {
  const qualified = TIER_LIMITS.find(({ paidMicros }) => qualifyingMicros >= paidMicros)?.tier ?? "TIER_1";
  const used = tier ?? qualified;
  const maxMicros = TIER_LIMITS.find((one) => one.tier === used)?.limitMicros ?? null;
  const isLower = spendLimitMicros !== null && (maxMicros === null || spendLimitMicros < maxMicros);
  return { tier: used, maxMicros, limitMicros: isLower ? spendLimitMicros : maxMicros };
}
