import { and, eq, getTableName, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { listingCounts } from "./table.ts";

/**
 * How many rows of the table have `key` in the column that its stored counts go by
 * (`select keep_listing_counts('models', 'account_id')` in the migration that makes the table). A value to select beside
 * the rows, as a query of its own would cost a third of the page.
 */
export function storedCountSql(table: PgTable, key: string): SQL<string | null> {
  const { tableName, key: keyColumn, count } = listingCounts;
  const isIt = and(eq(tableName, getTableName(table)), eq(keyColumn, key));
  return sql`(select ${count} from ${listingCounts} where ${isIt})`;
}

/** Lists of up to this many rows are looked at one by one, which takes about three milliseconds. */
export const MAX_COUNTED_ROWS = 5_000;

export interface Counting {
  /** Restricts what is listed, whatever the client asks. */
  scope: SQL | undefined;
  filter: SQL | undefined;
  /** How many rows the scope has, when that is stored. */
  scopeSize: number | null;
}

/**
 * How many rows match: exactly, as long as the scope has at most 5,000 rows or there is no filter and its size is
 * stored; else PostgreSQL's estimate. Counting a filter's matches among a million rows takes a second, a thousand times
 * as long as the page that the number stands on.
 */
export async function countMatches(
  run: (statement: SQL) => Promise<unknown[][]>,
  table: PgTable,
  { scope, filter, scopeSize }: Counting,
): Promise<number> {
  if (scopeSize !== null && filter === undefined) return scopeSize;
  if (scopeSize === null || scopeSize <= MAX_COUNTED_ROWS) {
    const rows = sql`select * from ${table} where ${scope ?? sql`true`} limit ${MAX_COUNTED_ROWS + 1}`;
    // Under the table's own name, as the filter's columns say it.
    const [counted] = await run(
      sql`select count(*) filter (where ${filter ?? sql`true`}), count(*)
        from (${rows}) as ${sql.identifier(getTableName(table))}`,
    );
    const [matches, seen] = counted!.map(Number) as [number, number];
    if (seen <= MAX_COUNTED_ROWS) return matches;
  }
  const [plan] = await run(
    sql`explain (format json) select 1 from ${table} where ${and(scope, filter) ?? sql`true`}`,
  );
  const [[{ Plan }]] = plan as [[{ Plan: { "Plan Rows": number } }]];
  return Plan["Plan Rows"];
}
