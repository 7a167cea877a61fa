import { and, eq, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { sampleNotes } from "./table.ts";

export type SampleNoteRow = typeof sampleNotes.$inferSelect;

export interface SampleNoteStore {
  /** False when the account has a row with this id. */
  insert(row: SampleNoteRow): Promise<boolean>;
  get(accountId: string, id: string): Promise<SampleNoteRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<SampleNoteRow>>;
  /** Replaces the row by the result of `change`, which may throw, while it is locked. Null when there is no row. */
  change(
    accountId: string,
    id: string,
    change: (row: SampleNoteRow) => SampleNoteRow,
  ): Promise<SampleNoteRow | null>;
  /** False when there is no row. */
  delete(accountId: string, id: string): Promise<boolean>;
}

export function sampleNoteStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): SampleNoteStore {
  const t = sampleNotes;
  const list = createListing({
    db,
    table: t,
    fields: {
      name: {
        sql: sql`('accounts/' || ${t.accountId} || '/sampleNotes/' || ${t.id})`,
        type: "string",
        orderBy: t.id,
      },
      displayName: { sql: sql`${t.displayName}`, type: "string" },
      description: { sql: sql`${t.description}`, type: "string" },
      createdBy: { sql: sql`${t.createdBy}`, type: "string" },
      createTime: { sql: sql`${t.createTime}`, type: "timestamp" },
      updateTime: { sql: sql`${t.updateTime}`, type: "timestamp" },
    },
    defaultOrder: "createTime desc",
    key: t.id,
    tokenSecret,
  });
  const is = (accountId: string, id: string) => and(eq(t.accountId, accountId), eq(t.id, id));
  return {
    async insert(row) {
      const inserted = await db.insert(t).values(row).onConflictDoNothing().returning({ id: t.id });
      return inserted.length === 1;
    },
    async get(accountId, id) {
      const [row] = await db.select().from(t).where(is(accountId, id));
      return row ?? null;
    },
    list: (query, accountId) => list(query, eq(t.accountId, accountId), accountId),
    change: (accountId, id, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(t).where(is(accountId, id)).for("update");
        if (row === undefined) return null;
        const [changed] = await tx.update(t).set(change(row)).where(is(accountId, id)).returning();
        return changed ?? null;
      }),
    async delete(accountId, id) {
      const deleted = await db.delete(t).where(is(accountId, id)).returning({ id: t.id });
      return deleted.length === 1;
    },
  };
}
