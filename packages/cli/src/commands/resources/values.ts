/** The values of flags, from the contract. A host may refuse some of them. */

export const PRECISIONS: readonly string[] =
  "FP16 BF16 FP8 FP8_MM FP8_AR FP8_MM_KV_ATTN FP8_KV FP8_MM_V2 FP8_V2 FP8_MM_KV_ATTN_V2 NF4 FP4 FP4_BLOCKSCALED_MM FP4_MX_MOE".split(
    " ",
  );

export const ACCELERATOR_TYPES: readonly string[] = [
  "NVIDIA_A100_80GB",
  "NVIDIA_H100_80GB",
  "NVIDIA_H200_141GB",
  "AMD_MI300X_192GB",
  "NVIDIA_A10G_24GB",
  "NVIDIA_A100_40GB",
  "NVIDIA_L4_24GB",
  "NVIDIA_B200_180GB",
  "AMD_MI325X_256GB",
  "AMD_MI350X_288GB",
  "NVIDIA_B300_288GB",
];

export const DIRECT_ROUTE_TYPES: readonly string[] = [
  "INTERNET",
  "GCP_PRIVATE_SERVICE_CONNECT",
  "AWS_PRIVATELINK",
];

export const REGIONS: readonly string[] = [
  "US_IOWA_1",
  "US_VIRGINIA_1",
  "US_VIRGINIA_2",
  "US_ILLINOIS_1",
  "AP_TOKYO_1",
  "US_ARIZONA_1",
  "US_TEXAS_1",
  "US_ILLINOIS_2",
  "EU_FRANKFURT_1",
  "US_TEXAS_2",
  "EU_ICELAND_1",
  "EU_ICELAND_2",
  "US_WASHINGTON_1",
  "US_WASHINGTON_2",
  "US_WASHINGTON_3",
  "AP_TOKYO_2",
  "US_CALIFORNIA_1",
  "US_UTAH_1",
  "US_GEORGIA_1",
  "US_GEORGIA_2",
  "US_WASHINGTON_4",
  "US_GEORGIA_3",
  "NA_BRITISHCOLUMBIA_1",
  "US_GEORGIA_4",
  "US_OHIO_1",
  "US_NEWYORK_1",
  "EU_NETHERLANDS_1",
  "US_WASHINGTON_5",
  "US_MINNESOTA_1",
  "US_CALIFORNIA_2",
  "AP_MALAYSIA_1",
  "US_OHIO_2",
  "EU_LONDON_1",
  "EU_PARIS_1",
  "EU_HELSINKI_1",
  "US_NEVADA_1",
  "EU_ICELAND_3",
  "US_MISSOURI_1",
  "EU_ICELAND_DEV_1",
  "US_ARIZONA_2",
  "US_ARIZONA_3",
  "US_TEXAS_3",
];

/** The pattern of ids that hosts generate. */
export const ANY_ID = /^[A-Za-z0-9][\w.-]{0,127}$/;

export const BILLING_TIERS: readonly string[] = ["TIER_1", "TIER_2", "TIER_3", "TIER_4", "UNLIMITED"];

export const PAYMENT_TERMS: readonly string[] = ["POSTPAID", "PREPAID"];

export const USAGE_GROUPINGS: readonly string[] = [
  "account",
  "user",
  "key",
  "model",
  "deployment",
  "kind",
  "hour",
  "day",
];

export const ROLES: readonly string[] = ["admin", "user", "contributor", "inference-user"];
