import type { Tier } from "./table.ts";

const DOLLAR = 1_000_000n;

/** From the highest tier down: the total payments that a tier requires, and its monthly spending limit. */
const TIER_LIMITS: readonly { tier: Tier; paidMicros: bigint; limitMicros: bigint }[] = [
  { tier: "TIER_4", paidMicros: 5_000n * DOLLAR, limitMicros: 50_000n * DOLLAR },
  { tier: "TIER_3", paidMicros: 500n * DOLLAR, limitMicros: 5_000n * DOLLAR },
  { tier: "TIER_2", paidMicros: 50n * DOLLAR, limitMicros: 500n * DOLLAR },
  { tier: "TIER_1", paidMicros: 0n, limitMicros: 50n * DOLLAR },
];

export interface SpendTerms {
  /** Set by the operator; null: the tier that the account qualifies for. */
  tier: Tier | null;
  /** Total of payments that count towards a tier. */
  qualifyingMicros: bigint;
  /** Set by the customer; null: none. */
  spendLimitMicros: bigint | null;
}

export interface SpendLimit {
  tier: Tier;
  /** Limit of the tier; null: unlimited. */
  maxMicros: bigint | null;
  /** The limit in force: the lower of the tier's and the customer's. Null: unlimited. */
  limitMicros: bigint | null;
}

export function spendLimitOf({ tier, qualifyingMicros, spendLimitMicros }: SpendTerms): SpendLimit {
  const qualified = TIER_LIMITS.find(({ paidMicros }) => qualifyingMicros >= paidMicros)?.tier ?? "TIER_1";
  const effective = tier ?? qualified;
  const maxMicros = TIER_LIMITS.find((one) => one.tier === effective)?.limitMicros ?? null;
  const isLower = spendLimitMicros !== null && (maxMicros === null || spendLimitMicros < maxMicros);
  return { tier: effective, maxMicros, limitMicros: isLower ? spendLimitMicros : maxMicros };
}
