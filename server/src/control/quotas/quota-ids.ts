import { ACCELERATOR_TYPES } from "../deployment-shapes/service.ts";

/** The most that an int64 holds, for what has no limit. */
export const MAX_INT64 = 2n ** 63n - 1n;

/** Accelerators of a type that an account's deployments may have, all replicas together. */
const DEFAULT_ACCELERATORS = 8n;

/** What an account may have, unless it is said otherwise. */
const DEFAULT_QUOTAS = {
  "gpu-hours-per-month": 2_000n,
  loras: 100n,
  models: 1_000n,
  "concurrent-streaming-connections": 10n,
  "monthly-spend-usd": 50n,
} as const;

/** Quotas whose usage another part of the platform knows. */
export type MeasuredQuotaId = keyof typeof DEFAULT_QUOTAS;
export const MEASURED_QUOTA_IDS = Object.keys(DEFAULT_QUOTAS) as MeasuredQuotaId[];

export type QuotaId = MeasuredQuotaId | "requests-per-minute";

export const KEY_QUOTA_PREFIX = "requests-per-minute-key-";
const KEY_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** `nvidia-h100-80gb-eu-paris-1`; `…-global` where the platform doesn't say where it is. */
export function acceleratorQuotaId(type: string, region: string | null): string {
  return `${type}-${region ?? "GLOBAL"}`.toLowerCase().replaceAll("_", "-");
}

/** By id: what applies where nobody has set anything. */
export function defaultQuotas(requestsPerMinute: number, region: string | null): ReadonlyMap<string, bigint> {
  const types = ACCELERATOR_TYPES.filter((type) => type !== "ACCELERATOR_TYPE_UNSPECIFIED");
  return new Map<string, bigint>([
    ...types.map((type) => [acceleratorQuotaId(type, region), DEFAULT_ACCELERATORS] as const),
    ...Object.entries(DEFAULT_QUOTAS),
    ["requests-per-minute", BigInt(requestsPerMinute)],
  ]);
}

/** The key whose limit the quota is; null: of no key. */
export function keyIdOfQuota(id: string): string | null {
  const keyId = id.startsWith(KEY_QUOTA_PREFIX) ? id.slice(KEY_QUOTA_PREFIX.length) : "";
  return KEY_ID.test(keyId) ? keyId : null;
}
