import { and, desc, eq, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { type BillingAccountRow, chargedWithin, isUsage } from "./ledger-store.ts";
import { billingAccounts, billingCharges, spendAlerts } from "./table.ts";

export type SpendAlertRow = typeof spendAlerts.$inferSelect;

/** NOTIFY channel: credits, limits or suspensions have changed. */
export const SPEND_CHANNEL = "hearth_spend";

export interface SpendStore {
  accounts(): Promise<BillingAccountRow[]>;
  /** Waived cost of the usage in this time, by account. */
  waived(from: Date, to: Date): Promise<Map<string, bigint>>;
  /**
   * Net amounts of prepaid accounts as if no usage of this time had been charged. One query reads balances and charges,
   * so that usage that is being charged at the same time is neither counted twice nor missed.
   */
  prepaid(from: Date, to: Date): Promise<Map<string, bigint>>;
  /** @returns whether the alert is new. */
  addAlert(alert: SpendAlertRow): Promise<boolean>;
  /** The newest alerts first, at most 100. */
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
        .where(and(chargedWithin(from, to), eq(billingCharges.waived, true), isUsage))
        .groupBy(billingCharges.accountId);
      return new Map(rows.map(({ accountId, micros }) => [accountId, micros]));
    },
    async prepaid(from, to) {
      const charged = db
        .select({ micros: sql`coalesce(sum(${billingCharges.micros}), 0)` })
        .from(billingCharges)
        .where(
          and(chargedWithin(from, to), eq(billingCharges.accountId, billingAccounts.accountId), isUsage),
        );
      const rows = await db
        .select({
          accountId: billingAccounts.accountId,
          micros: sql<bigint>`${billingAccounts.netMicros} + (${charged})`.mapWith(BigInt),
        })
        .from(billingAccounts)
        .where(eq(billingAccounts.paymentTerms, "PREPAID"));
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
        .orderBy(desc(spendAlerts.createTime), desc(spendAlerts.percent), desc(spendAlerts.thresholdMicros))
        .limit(MAX_ALERTS),
    async announce() {
      await db.execute(sql`select pg_notify(${SPEND_CHANNEL}, '')`);
    },
  };
}
