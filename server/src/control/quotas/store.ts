import { and, eq, inArray, isNotNull, like, or, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { quotas } from "./table.ts";

export type QuotaRow = typeof quotas.$inferSelect;

/** NOTIFY channel for changes of quotas. */
export const QUOTAS_CHANNEL = "hearth_quotas";

export interface QuotaStore {
  /** Creates missing rows, and updates the defaults of existing ones. */
  ensure(accountId: string, defaults: ReadonlyMap<string, bigint>, now: Date): Promise<void>;
  get(accountId: string, id: string): Promise<QuotaRow | null>;
  list(query: ListQuery, accountId: string): Promise<Page<QuotaRow>>;
  /** Replaces the row by the result of `change`, with the row locked. @returns null when there is no such row. */
  change(accountId: string, id: string, change: (row: QuotaRow) => QuotaRow): Promise<QuotaRow | null>;
  /** Ids of the account's quotas that begin with the prefix. */
  idsWithPrefix(accountId: string, prefix: string): Promise<string[]>;
  remove(accountId: string, ids: readonly string[]): Promise<void>;
  /**
   * Runs `work` under a lock for the account that excludes other processes. Occupies a database connection meanwhile.
   */
  withAccountLock<T>(accountId: string, work: () => Promise<T>): Promise<T>;
  /** Quotas of all accounts whose value or maximum is set. */
  listOverrides(): Promise<QuotaRow[]>;
}

const maxValue = sql`coalesce(${quotas.maxValue}, ${quotas.defaultValue})`;

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
      value: { sql: sql`least(coalesce(${quotas.value}, ${maxValue}), ${maxValue})`, type: "int" },
      maxValue: { sql: maxValue, type: "int" },
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
        // If the work succeeded and only the lock's connection failed, keep the result: the work can't be undone.
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
