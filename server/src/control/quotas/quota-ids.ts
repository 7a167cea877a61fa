import { ACCELERATOR_TYPES } from "../deployment-shapes/service.ts";

/** The largest int64; stands for no limit. */
export const MAX_INT64 = 2n ** 63n - 1n;

/** Default limit on accelerators of one type, over all replicas of an account's deployments. */
const DEFAULT_ACCELERATORS = 8n;

/** Default limits. */
const DEFAULT_QUOTAS = {
  "gpu-hours-per-month": 2_000n,
  loras: 100n,
  models: 1_000n,
  "concurrent-streaming-connections": 10n,
  "monthly-spend-usd": 50n,
} as const;

/** Quotas whose usage a `QuotaSource` measures. */
export type MeasuredQuotaId = keyof typeof DEFAULT_QUOTAS;
export const MEASURED_QUOTA_IDS = Object.keys(DEFAULT_QUOTAS) as MeasuredQuotaId[];

export type QuotaId = MeasuredQuotaId | "requests-per-minute";

export const KEY_QUOTA_PREFIX = "requests-per-minute-key-";
const KEY_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * For example `nvidia-h100-80gb-eu-paris-1`.
 * @param region null: the platform has no region; the id ends in `-global`.
 */
export function acceleratorQuotaId(type: string, region: string | null): string {
  return `${type}-${region ?? "GLOBAL"}`.toLowerCase().replaceAll("_", "-");
}

/** Default limits by quota id, including those of accelerators. */
export function defaultQuotas(requestsPerMinute: number, region: string | null): ReadonlyMap<string, bigint> {
  const types = ACCELERATOR_TYPES.filter((type) => type !== "ACCELERATOR_TYPE_UNSPECIFIED");
  return new Map<string, bigint>([
    ...types.map((type) => [acceleratorQuotaId(type, region), DEFAULT_ACCELERATORS] as const),
    ...Object.entries(DEFAULT_QUOTAS),
    ["requests-per-minute", BigInt(requestsPerMinute)],
  ]);
}

/** The API key that the quota limits; null: the quota is not for a key. */
export function keyIdOfQuota(id: string): string | null {
  const keyId = id.startsWith(KEY_QUOTA_PREFIX) ? id.slice(KEY_QUOTA_PREFIX.length) : "";
  return KEY_ID.test(keyId) ? keyId : null;
}
