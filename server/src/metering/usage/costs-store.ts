import { and, gte, lt, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { usageHourly } from "./table.ts";

/** What an account used of one thing in one hour of UTC. */
export interface HourlyCost {
  accountId: string;
  hour: Date;
  kind: string;
  /** The deployment whose replicas are paid for, else the model. */
  subject: string;
  costMicros: bigint;
}

export interface CostStore {
  /** Of hours that begin in this time, in exact sums; what costs nothing is left out. */
  hourlyCosts(from: Date, to: Date): Promise<HourlyCost[]>;
  /** By account. */
  costs(from: Date, to: Date): Promise<Map<string, bigint>>;
}

export function costStore({ db }: Pick<Database, "db">): CostStore {
  const { accountId, hour, kind } = usageHourly;
  const micros = sql<bigint>`sum(${usageHourly.costMicros})`.mapWith(BigInt);
  const subject = sql<string>`case when ${kind} in ('gpu_seconds', 'cpu_seconds')
    then ${usageHourly.deployment} else ${usageHourly.model} end`;
  const within = (from: Date, to: Date) => and(gte(hour, from), lt(hour, to));
  const isSome = sql`sum(${usageHourly.costMicros}) > 0`;
  return {
    hourlyCosts: (from, to) =>
      db
        .select({ accountId, hour, kind, subject, costMicros: micros })
        .from(usageHourly)
        .where(within(from, to))
        .groupBy(accountId, hour, kind, sql`4`)
        .having(isSome),
    async costs(from, to) {
      const rows = await db
        .select({ accountId, costMicros: micros })
        .from(usageHourly)
        .where(within(from, to))
        .groupBy(accountId)
        .having(isSome);
      return new Map(rows.map((row) => [row.accountId, row.costMicros]));
    },
  };
}
