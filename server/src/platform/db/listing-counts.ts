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

/** Keys whose scopes' sizes are remembered. */
const MAX_REMEMBERED = 1_000;

type RunQuery = (statement: SQL) => Promise<unknown[][]>;

/**
 * How many rows match: exactly, as long as the scope has at most 5,000 rows or there is no filter and its size is
 * stored; else PostgreSQL's estimate. Counting a filter's matches among a million rows takes a second, a thousand times
 * as long as the page that the number stands on.
 */
export class RowCounter {
  readonly #run: RunQuery;
  readonly #table: PgTable;
  /** Sizes of scopes, as last seen, by the key of their counts. */
  readonly #sizes = new Map<string, number>();

  constructor(run: RunQuery, table: PgTable) {
    this.#run = run;
    this.#table = table;
  }

  /**
   * To be called beside the page's own statement, as the estimate for a scope that was large a moment ago is made
   * meanwhile. What it gives is called when the scope's size is known; null: it is not stored.
   * @param scope restricts what is listed, whatever the client asks
   */
  startCount(
    key: string | undefined,
    scope: SQL | undefined,
    filter: SQL | undefined,
  ): (scopeSize: number | null) => Promise<number> {
    const wasLarge = key !== undefined && (this.#sizes.get(key) ?? 0) > MAX_COUNTED_ROWS;
    const estimate = wasLarge && filter !== undefined ? this.#estimate(and(scope, filter)) : null;
    // The page may be all there is, or fail.
    estimate?.catch(() => {});
    return async (scopeSize) => {
      if (key !== undefined && scopeSize !== null) this.#remember(key, scopeSize);
      if (scopeSize !== null && filter === undefined) return scopeSize;
      return estimate ?? this.#count(scope, filter, scopeSize);
    };
  }

  #remember(key: string, size: number): void {
    if (this.#sizes.size >= MAX_REMEMBERED) this.#sizes.clear();
    this.#sizes.set(key, size);
  }

  async #count(scope: SQL | undefined, filter: SQL | undefined, scopeSize: number | null): Promise<number> {
    if (scopeSize === null || scopeSize <= MAX_COUNTED_ROWS) {
      const rows = sql`select * from ${this.#table} where ${scope ?? sql`true`} limit ${MAX_COUNTED_ROWS + 1}`;
      // Under the table's own name, as the filter's columns say it.
      const [counted] = await this.#run(
        sql`select count(*) filter (where ${filter ?? sql`true`}), count(*)
          from (${rows}) as ${sql.identifier(getTableName(this.#table))}`,
      );
      const [matches, seen] = counted!.map(Number) as [number, number];
      if (seen <= MAX_COUNTED_ROWS) return matches;
    }
    return this.#estimate(and(scope, filter));
  }

  /** As the planner thinks, by the table's statistics. */
  async #estimate(condition: SQL | undefined): Promise<number> {
    const [plan] = await this.#run(
      sql`explain (format json) select 1 from ${this.#table} where ${condition ?? sql`true`}`,
    );
    const [[{ Plan }]] = plan as [[{ Plan: { "Plan Rows": number } }]];
    return Plan["Plan Rows"];
  }
}
