import { and, eq, inArray, isNotNull, like, or, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { quotas } from "./table.ts";

export type QuotaRow = typeof quotas.$inferSelect;

/** Announces that somebody's quota has changed. */
export const QUOTAS_CHANNEL = "hearth_quotas";

export interface QuotaStore {
  /** Sees that there is a row with this default of every id. */
  ensure(accountId: string, defaults: ReadonlyMap<string, bigint>, now: Date): Promise<void>;
  get(accountId: string, id: string): Promise<QuotaRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<QuotaRow>>;
  /** Puts what `change` makes of the row in its place; nobody else changes it meanwhile. Null: there is none. */
  change(accountId: string, id: string, change: (row: QuotaRow) => QuotaRow): Promise<QuotaRow | null>;
  /** Those that begin so. */
  idsWithPrefix(accountId: string, prefix: string): Promise<string[]>;
  remove(accountId: string, ids: readonly string[]): Promise<void>;
  /** Does `work` while no process does the same for the account. Holds a connection meanwhile. */
  withAccountLock<T>(accountId: string, work: () => Promise<T>): Promise<T>;
  /** Of all accounts, where somebody has set something. */
  listOverrides(): Promise<QuotaRow[]>;
}

const most = sql`coalesce(${quotas.maxValue}, ${quotas.defaultValue})`;

export function quotaStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): QuotaStore {
  const list = createListing({
    db,
    table: quotas,
    fields: {
      name: {
        sql: sql`('accounts/' || ${quotas.accountId} || '/quotas/' || ${quotas.id})`,
        type: "string",
        orderBy: quotas.id,
      },
      value: { sql: sql`least(coalesce(${quotas.value}, ${most}), ${most})`, type: "int" },
      maxValue: { sql: most, type: "int" },
      updateTime: { sql: sql`${quotas.updateTime}`, type: "timestamp" },
    },
    defaultOrder: "name",
    key: quotas.id,
    tokenSecret,
  });
  const isOne = (accountId: string, id: string) => and(eq(quotas.accountId, accountId), eq(quotas.id, id));
  return {
    async ensure(accountId, defaults, updateTime) {
      const rows = [...defaults].map(([id, defaultValue]) => ({ accountId, id, defaultValue, updateTime }));
      await db
        .insert(quotas)
        .values(rows)
        .onConflictDoUpdate({
          target: [quotas.accountId, quotas.id],
          set: { defaultValue: sql`excluded.default_value` },
          setWhere: sql`${quotas.defaultValue} <> excluded.default_value`,
        });
    },
    async get(accountId, id) {
      const [row] = await db.select().from(quotas).where(isOne(accountId, id));
      return row ?? null;
    },
    list: (query, accountId) => list(query, eq(quotas.accountId, accountId), accountId),
    change: (accountId, id, change) =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(quotas).where(isOne(accountId, id)).for("update");
        if (row === undefined) return null;
        const [changed] = await tx.update(quotas).set(change(row)).where(isOne(accountId, id)).returning();
        await tx.execute(sql`select pg_notify(${QUOTAS_CHANNEL}, '')`);
        return changed!;
      }),
    async idsWithPrefix(accountId, prefix) {
      const ofKind = and(eq(quotas.accountId, accountId), like(quotas.id, `${prefix}%`));
      const rows = await db.select({ id: quotas.id }).from(quotas).where(ofKind);
      return rows.map(({ id }) => id);
    },
    async remove(accountId, ids) {
      await db.delete(quotas).where(and(eq(quotas.accountId, accountId), inArray(quotas.id, [...ids])));
    },
    async withAccountLock(accountId, work) {
      let done: { result: Awaited<ReturnType<typeof work>> } | null = null;
      try {
        await db.transaction(async (tx) => {
          await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`quotas ${accountId}`}, 0))`);
          done = { result: await work() };
        });
      } catch (error) {
        // What was done stays done, also when the lock was lost.
        if (done === null) throw error;
      }
      return (done as unknown as { result: Awaited<ReturnType<typeof work>> }).result;
    },
    listOverrides: () =>
      db
        .select()
        .from(quotas)
        .where(or(isNotNull(quotas.value), isNotNull(quotas.maxValue))),
  };
}
