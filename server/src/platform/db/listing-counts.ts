import { and, eq, getTableName, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import { listingCounts } from "./table.ts";

/**
 * Expression for the stored number of rows with `key` in the table's counted column. The migration of the table chooses
 * that column: `select keep_listing_counts('models', 'account_id')`. Select the expression together with the rows of a
 * page, as a separate query would take a third of the page's time.
 */
export function storedCountSql(table: PgTable, key: string): SQL<string | null> {
  const { tableName, key: keyColumn, count } = listingCounts;
  const isRow = and(eq(tableName, getTableName(table)), eq(keyColumn, key));
  return sql`(select ${count} from ${listingCounts} where ${isRow})`;
}

/** Lists of up to this many rows are counted exactly, which takes about three milliseconds. */
const MAX_COUNTED_ROWS = 5_000;

/** Bounds the cache of scope sizes. */
const MAX_CACHED_SIZES = 1_000;

type RunQuery = (statement: SQL) => Promise<unknown[][]>;

/**
 * Counts the rows that match. The count is exact if the scope has at most 5,000 rows, or if there is no filter and the
 * scope's size is stored. Otherwise it is PostgreSQL's estimate, because counting a filter's matches among a million
 * rows takes a second, a thousand times as long as the page itself.
 */
export class RowCounter {
  readonly #run: RunQuery;
  readonly #table: PgTable;
  /** Cache of the last known sizes of scopes, by count key. Bounded: cleared when full. */
  readonly #sizes = new Map<string, number>();

  constructor(run: RunQuery, table: PgTable) {
    this.#run = run;
    this.#table = table;
  }

  /**
   * Starts to count in parallel to the page's query: if the scope was large the last time, the estimate begins at once.
   * @param scope condition for the rows of the list, without the client's filter.
   * @returns a function for the end result; call it with the scope's stored size. Null: the size is not stored.
   */
  startCount(
    key: string | undefined,
    scope: SQL | undefined,
    filter: SQL | undefined,
  ): (scopeSize: number | null) => Promise<number> {
    const wasLarge = key !== undefined && (this.#sizes.get(key) ?? 0) > MAX_COUNTED_ROWS;
    const estimate = wasLarge && filter !== undefined ? this.#estimate(and(scope, filter)) : null;
    // The estimate may not be needed; don't let its failure go unhandled.
    estimate?.catch(() => {});
    return async (scopeSize) => {
      if (key !== undefined && scopeSize !== null) {
        if (this.#sizes.size >= MAX_CACHED_SIZES) this.#sizes.clear();
        this.#sizes.set(key, scopeSize);
      }
      if (scopeSize !== null && filter === undefined) return scopeSize;
      return estimate ?? this.#count(scope, filter, scopeSize);
    };
  }

  async #count(scope: SQL | undefined, filter: SQL | undefined, scopeSize: number | null): Promise<number> {
    if (scopeSize === null || scopeSize <= MAX_COUNTED_ROWS) {
      const rows = sql`select * from ${this.#table} where ${scope ?? sql`true`} limit ${MAX_COUNTED_ROWS + 1}`;
      // The subquery has the table's name, because the filter's columns are qualified with it.
      const [counted] = await this.#run(
        sql`select count(*) filter (where ${filter ?? sql`true`}), count(*)
          from (${rows}) as ${sql.identifier(getTableName(this.#table))}`,
      );
      const [matches, examined] = counted!.map(Number) as [number, number];
      if (examined <= MAX_COUNTED_ROWS) return matches;
    }
    return this.#estimate(and(scope, filter));
  }

  /** The planner's estimate from the table's statistics. */
  async #estimate(condition: SQL | undefined): Promise<number> {
    const [plan] = await this.#run(
      sql`explain (format json) select 1 from ${this.#table} where ${condition ?? sql`true`}`,
    );
    const [[{ Plan }]] = plan as [[{ Plan: { "Plan Rows": number } }]];
    return Plan["Plan Rows"];
  }
}
