import { desc, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { billingModes } from "./table.ts";

/** History of whether billing was enabled. */
export interface BillingModeStore {
  /**
   * Records the mode if it differs from the last one.
   * @param begin runs before that, in at most one process at a time.
   */
  switchTo(enabled: boolean, now: Date, begin: () => Promise<void>): Promise<void>;
}

export function billingModeStore({ db }: Pick<Database, "db">): BillingModeStore {
  return {
    switchTo: (enabled, now, begin) =>
      db.transaction(async (tx) => {
        await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('billing mode', 0))`);
        const [last] = await tx.select().from(billingModes).orderBy(desc(billingModes.id)).limit(1);
        if (last?.enabled === enabled) return;
        await begin();
        await tx.insert(billingModes).values({ enabled, startTime: now });
      }),
  };
}
