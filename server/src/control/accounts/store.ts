import { eq } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { accounts } from "./table.ts";

export type AccountRow = typeof accounts.$inferSelect;

export interface AccountStore {
  /** True when the row is new. */
  insertIfAbsent(row: AccountRow): Promise<boolean>;
  get(id: string): Promise<AccountRow | null>;
}

export function accountStore({ db }: Pick<Database, "db">): AccountStore {
  return {
    async insertIfAbsent(row) {
      const inserted = await db
        .insert(accounts)
        .values(row)
        .onConflictDoNothing()
        .returning({ id: accounts.id });
      return inserted.length === 1;
    },
    async get(id) {
      const [row] = await db.select().from(accounts).where(eq(accounts.id, id));
      return row ?? null;
    },
  };
}
