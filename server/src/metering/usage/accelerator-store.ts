import type { Database } from "../../platform/db/database.ts";

/** Time and cost of a deployment's accelerators of one type in one hour. */
export interface AcceleratorTime {
  accountId: string;
  hour: Date;
  acceleratorType: string;
  deployment: string;
  /** Summed over the accelerators. */
  durationMs: bigint;
  costMicros: bigint;
}

/**
 * Accelerator time of the accounts.
 * @param from a full hour.
 * @param to a full hour, exclusive.
 * @returns in a fixed order.
 */
export async function acceleratorTime(
  { sql }: Pick<Database, "sql">,
  accountIds: readonly string[],
  from: Date,
  to: Date,
): Promise<AcceleratorTime[]> {
  const rows = await sql<
    Record<"account_id" | "hour_ms" | "endpoint" | "deployment" | "ms" | "cost", string>[]
  >`
    select account_id, (extract(epoch from date_trunc('hour', started_at, 'UTC')) * 1000)::bigint::text as hour_ms,
      endpoint, deployment, sum(quantity)::text as ms, sum(cost_micros)::text as cost
    from usage_records
    where account_id = any(${accountIds as string[]}) and started_at >= ${from.toISOString()} and started_at < ${to.toISOString()}
      and kind = 'gpu_seconds'
    group by 1, 2, 3, 4 order by 1, 2, 3, 4`;
  return rows.map(({ account_id, hour_ms, endpoint, deployment, ms, cost }) => ({
    accountId: account_id,
    hour: new Date(Number(hour_ms)),
    acceleratorType: endpoint,
    deployment,
    durationMs: BigInt(ms),
    costMicros: BigInt(cost),
  }));
}
