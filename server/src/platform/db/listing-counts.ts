import { and, eq, getTableName, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Database } from "./database.ts";
import { listingCounts } from "./table.ts";

/**
 * How many rows of the table have `key` in the column that its stored counts go by
 * (`select keep_listing_counts('models', 'account_id')` in the migration that makes the table).
 */
export async function storedCount(db: Database["db"], table: PgTable, key: string): Promise<number> {
  const [row] = await db
    .select({ count: listingCounts.count })
    .from(listingCounts)
    .where(and(eq(listingCounts.tableName, getTableName(table)), eq(listingCounts.key, key)));
  return row?.count ?? 0;
}

/** Matches are counted one by one up to here, which takes a few milliseconds. */
const MAX_COUNTED = 10_000;

/**
 * How many rows match: exactly up to 10,000, else PostgreSQL's estimate, which is never less. Counting all of a million
 * would take a thousand times as long as the page it stands on.
 */
export async function countMatches(
  db: Database["db"],
  table: PgTable,
  matching: SQL | undefined,
): Promise<number> {
  const where = matching === undefined ? sql`` : sql` where ${matching}`;
  const rows = sql`select 1 from ${table}${where}`;
  const [counted] = await db.execute<{ count: string }>(
    sql`select count(*) as count from (${rows} limit ${MAX_COUNTED + 1}) as matches`,
  );
  const count = Number(counted!.count);
  if (count <= MAX_COUNTED) return count;
  const [plan] = await db.execute<{ "QUERY PLAN": unknown }>(sql`explain (format json) ${rows}`);
  const [{ Plan }] = plan!["QUERY PLAN"] as [{ Plan: { "Plan Rows": number } }];
  return Math.max(count, Plan["Plan Rows"]);
}
