import { and, desc, eq, gte, lt, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import type { BillingAccountRow } from "./ledger-store.ts";
import { billingAccounts, billingCharges, spendAlerts } from "./table.ts";

export type SpendAlertRow = typeof spendAlerts.$inferSelect;

/** Announces that what accounts may spend has changed. */
export const SPEND_CHANNEL = "hearth_spend";

export interface SpendStore {
  accounts(): Promise<BillingAccountRow[]>;
  /** Of the usage in this time, what nobody owes, by account. */
  waived(from: Date, to: Date): Promise<Map<string, bigint>>;
  /** True when it is new. */
  addAlert(alert: SpendAlertRow): Promise<boolean>;
  /** The newest, at most 100. */
  alerts(accountId: string): Promise<SpendAlertRow[]>;
  announce(): Promise<void>;
}

const MAX_ALERTS = 100;

export function spendStore({ db }: Pick<Database, "db">): SpendStore {
  return {
    accounts: () => db.select().from(billingAccounts),
    async waived(from, to) {
      const rows = await db
        .select({
          accountId: billingCharges.accountId,
          micros: sql<bigint>`sum(${billingCharges.micros})`.mapWith(BigInt),
        })
        .from(billingCharges)
        .where(
          and(gte(billingCharges.hour, from), lt(billingCharges.hour, to), eq(billingCharges.waived, true)),
        )
        .groupBy(billingCharges.accountId);
      return new Map(rows.map(({ accountId, micros }) => [accountId, micros]));
    },
    async addAlert(alert) {
      const added = await db
        .insert(spendAlerts)
        .values(alert)
        .onConflictDoNothing()
        .returning({ percent: spendAlerts.percent });
      return added.length === 1;
    },
    alerts: (accountId) =>
      db
        .select()
        .from(spendAlerts)
        .where(eq(spendAlerts.accountId, accountId))
        .orderBy(desc(spendAlerts.createTime), desc(spendAlerts.percent))
        .limit(MAX_ALERTS),
    async announce() {
      await db.execute(sql`select pg_notify(${SPEND_CHANNEL}, '')`);
    },
  };
}
