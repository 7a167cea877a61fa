import { and, eq, ne, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type List, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { ACCOUNT_TYPES, accounts, SUSPEND_STATES } from "./table.ts";

export type AccountRow = typeof accounts.$inferSelect;

export interface AccountStore {
  /** @returns whether the row is new. */
  insertIfAbsent(row: typeof accounts.$inferInsert): Promise<boolean>;
  get(id: string): Promise<AccountRow | null>;
  /** States of the suspended accounts, by account id. */
  suspendStates(): Promise<Map<string, AccountRow["suspendState"]>>;
  /** Thresholds in micro-dollars, by account id; only accounts that have set some. */
  spendThresholds(): Promise<Map<string, bigint[]>>;
  /** Replaces the row by the result of `change`, with the row locked. @returns null when there is no such row. */
  change(id: string, change: (row: AccountRow) => AccountRow): Promise<AccountRow | null>;
  /** Compare-and-set. @returns false when the account is no longer in the state `from`. */
  changeSuspendState(
    id: string,
    from: AccountRow["suspendState"],
    to: AccountRow["suspendState"],
    updateTime: Date,
  ): Promise<boolean>;
  /** The account with the id. */
  listOne(query: ListQuery, id: string): Promise<Page<AccountRow>>;
  /** All accounts by name, `firstId` before the others. */
  listAll(query: ListQuery, firstId: string): Promise<Page<AccountRow>>;
}

export function accountStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): AccountStore {
  /** One listing for each account that comes first in its own: those of operators, which are few. */
  const listings = new Map<string, List<AccountRow>>();
  const listingOf = (firstId: string): List<AccountRow> => {
    const known = listings.get(firstId) ?? accountListing(db, tokenSecret, firstId);
    listings.set(firstId, known);
    return known;
  };
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
    async suspendStates() {
      const rows = await db
        .select({ id: accounts.id, suspendState: accounts.suspendState })
        .from(accounts)
        .where(ne(accounts.suspendState, "UNSUSPENDED"));
      return new Map(rows.map(({ id, suspendState }) => [id, suspendState]));
    },
    async spendThresholds() {
      const rows = await db
        .select({ id: accounts.id, micros: accounts.spendThresholdsMicros })
        .from(accounts)
        .where(ne(accounts.spendThresholdsMicros, []));
      return new Map(rows.map(({ id, micros }) => [id, micros]));
    },
    change: (id, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(accounts).where(eq(accounts.id, id)).for("update");
        if (row === undefined) return null;
        const [changed] = await tx.update(accounts).set(change(row)).where(eq(accounts.id, id)).returning();
        return changed!;
      }),
    async changeSuspendState(id, from, to, updateTime) {
      const changed = await db
        .update(accounts)
        .set({ suspendState: to, updateTime })
        .where(and(eq(accounts.id, id), eq(accounts.suspendState, from)))
        .returning({ id: accounts.id });
      return changed.length === 1;
    },
    listOne: (query, id) => listingOf("")(query, eq(accounts.id, id), `accounts ${id}`),
    listAll: (query, firstId) => listingOf(firstId)(query, undefined, `accounts - ${firstId}`),
  };
}

/** @param firstId account that comes before all others; empty: none */
function accountListing(db: Database["db"], tokenSecret: Buffer, firstId: string): List<AccountRow> {
  // No id is empty, so the account that comes first is sorted as if its was.
  const order =
    firstId === ""
      ? accounts.id
      : sql`(case when ${accounts.id} = ${firstId} then '' else ${accounts.id} end)`;
  return createListing({
    db,
    table: accounts,
    fields: {
      name: { sql: sql`('accounts/' || ${accounts.id})`, type: "string", orderBy: order },
      displayName: { sql: sql`${accounts.displayName}`, type: "string" },
      email: { sql: sql`${accounts.email}`, type: "string" },
      accountType: { sql: sql`${accounts.accountType}`, type: "enum", values: ACCOUNT_TYPES },
      state: { sql: sql`${accounts.state}`, type: "enum", values: ["READY"] },
      suspendState: { sql: sql`${accounts.suspendState}`, type: "enum", values: SUSPEND_STATES },
      createTime: { sql: sql`${accounts.createTime}`, type: "timestamp" },
      updateTime: { sql: sql`${accounts.updateTime}`, type: "timestamp" },
    },
    defaultOrder: "name",
    key: accounts.id,
    tokenSecret,
  });
}
