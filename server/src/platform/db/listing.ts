import { and, getTableColumns, getTableName, type InferSelectModel, type SQL, sql } from "drizzle-orm";
import { type PgColumn, PgDialect, type PgTable } from "drizzle-orm/pg-core";
import { type Static, Type } from "typebox";
import { AppError, badRequest } from "../../lib/errors.ts";
import { checkFilter, type FieldType } from "../../lib/filter-check.ts";
import { parseOrderBy } from "../../lib/order-by.ts";
import { openPageToken, sealPageToken } from "../../lib/page-token.ts";
import type { Database } from "./database.ts";
import { type FieldSql, filterSql } from "./filter-sql.ts";
import { afterSql, type KeysetTerm, orderSql, positionSql } from "./keyset.ts";
import { RowCounter, storedCountSql } from "./listing-counts.ts";
import { preparedStatements } from "./prepared-statements.ts";

export type { FieldType } from "../../lib/filter-check.ts";

/** The query parameters of every list. */
export const ListQuerySchema = Type.Object({
  /** Default 50, also for 0; larger values than 200 count as 200. */
  pageSize: Type.Optional(Type.Integer()),
  pageToken: Type.Optional(Type.String()),
  filter: Type.Optional(Type.String()),
  orderBy: Type.Optional(Type.String()),
});
export type ListQuery = Static<typeof ListQuerySchema>;

export interface Page<Row> {
  rows: Row[];
  /** Empty on the last page. */
  nextPageToken: string;
  /**
   * Number of rows that matched when the first page was read. An estimate for filters on large lists, see `RowCounter`.
   */
  totalSize: number;
}

/** A field that clients can filter and order by. */
export interface ListField extends FieldSql {
  type: FieldType;
  /** Values of an enum. */
  values?: readonly string[];
  /**
   * Sorts by this instead of `sql`: for fields computed from a column, a column with the same order, whose index makes
   * sorting fast.
   */
  orderBy?: PgColumn | SQL;
}

export interface ListingOptions<T extends PgTable> {
  db: Database["db"];
  table: T;
  /** By name in the API: `baseModelDetails.parameterCount`. */
  fields: Readonly<Record<string, ListField>>;
  /**
   * As in the API: `createTime desc`. Needs an index on the scope's column, the order's columns and `key`, in one
   * direction.
   */
  defaultOrder: string;
  /** Unique within a scope; last term of each order, to break ties. */
  key: PgColumn;
  /** Key for page tokens, shared by all processes of an installation. */
  tokenSecret: Buffer;
}

export type List<Row> = (
  query: ListQuery,
  where: SQL | undefined,
  scope: string,
  countKey?: string,
) => Promise<Page<Row>>;

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 200;
const QUERY_CANCELED = "57014";

/**
 * Creates a function that lists a table's rows with keyset pagination: a page begins after the last row of the page
 * before, so rows that are inserted or deleted in between neither repeat nor hide others.
 *
 * The function takes the client's query, the condition `where`, the name `scope` of that condition (page tokens are
 * valid only in their scope), and `countKey`, see `storedCountSql`.
 * @throws AppError BAD_REQUEST naming pageSize, pageToken, filter or orderBy.
 */
export function createListing<T extends PgTable>(options: ListingOptions<T>): List<InferSelectModel<T>> {
  const { db, table, fields, tokenSecret } = options;
  const orderable = new Set(
    Object.keys(fields).filter((name) => !["strings", "map"].includes(fields[name]!.type)),
  );

  const columns = Object.entries(getTableColumns(table));
  const dialect = new PgDialect();
  // Render the columns once: the query builder would do so for every page, which costs more than reading the rows.
  const selected = sql.raw(
    dialect.sqlToQuery(
      sql.join(
        columns.map(([, column]) => sql`${column}`),
        sql`, `,
      ),
    ).sql,
  );
  const runPrepared = preparedStatements(db.$client);
  const rowOf = rowMapper<InferSelectModel<T>>(columns);
  const run = (statement: SQL): Promise<unknown[][]> => runPrepared(dialect.sqlToQuery(statement));
  const counts = new RowCounter(run, table);

  function termsOf(orderBy: string): KeysetTerm[] {
    const terms = parseOrderBy(orderBy, orderable).map(({ field, descending }) => {
      const { sql: value, type, orderBy: column } = fields[field]!;
      return { field: { sql: column ?? value, type }, descending };
    });
    if (terms.some(({ field }) => field.sql === options.key)) return terms;
    // Use the direction of the last term, so that one index serves both directions.
    return [...terms, { field: { sql: options.key, type: "string" }, descending: terms.at(-1)!.descending }];
  }

  async function list(query: ListQuery, where: SQL | undefined, scope: string, countKey?: string) {
    const pageSize = pageSizeOf(query.pageSize);
    const filter = checkFilter(query.filter ?? "", fields);
    const terms = termsOf(query.orderBy || options.defaultOrder);
    const context = JSON.stringify([
      getTableName(table),
      scope,
      query.filter ?? "",
      query.orderBy || options.defaultOrder,
    ]);
    const token = query.pageToken
      ? (openPageToken(tokenSecret, context, query.pageToken) as PageTokenPayload)
      : null;
    const filterCondition = filter === null ? undefined : filterSql(filter, fields);
    const after = token === null ? undefined : afterSql(terms, token.position);
    const isStored = token === null && countKey !== undefined;
    const scopeSize = isStored ? storedCountSql(table, countKey) : sql`null`;
    const statement = sql`select ${selected}, ${positionSql(terms)}, ${scopeSize} from ${table}
      where ${and(where, filterCondition, after) ?? sql`true`} order by ${orderSql(terms)} limit ${pageSize + 1}`;
    const count = token === null ? counts.startCount(countKey, where, filterCondition) : null;
    const read = await run(statement).catch(toListTimeoutError);
    const page = read.slice(0, pageSize);
    const isLast = read.length <= pageSize;
    const stored = read[0]?.at(-1) ?? null;
    const totalSize =
      token?.totalSize ??
      (isLast ? page.length : Math.max(await count!(stored === null ? null : Number(stored)), read.length));
    // After the columns: the position, then the scope's size.
    const position = page.at(-1)?.slice(columns.length, -1) as (string | null)[];
    return {
      rows: page.map(rowOf),
      nextPageToken: isLast
        ? ""
        : sealPageToken(tokenSecret, context, { position, totalSize } satisfies PageTokenPayload),
      totalSize,
    };
  }
  return list;
}

/** Converts an array of column values to a row. */
function rowMapper<Row>(
  columns: readonly (readonly [string, PgColumn])[],
): (values: readonly unknown[]) => Row {
  return (values) => {
    const row: Record<string, unknown> = {};
    for (const [i, [name, column]] of columns.entries()) {
      const value = values[i];
      row[name] = value === null ? null : column.mapFromDriverValue(value);
    }
    return row as Row;
  };
}

/** Converts a statement timeout: the client's filter or order caused it, so it is not a failure of the server. */
function toListTimeoutError(error: Error): never {
  const { code } = (error.cause ?? error) as { code?: unknown };
  if (code !== QUERY_CANCELED) throw error;
  throw new AppError(
    "DEADLINE_EXCEEDED",
    "The list took too long: ask for less with filter, or without orderBy.",
  );
}

/** Content of a page token: the position of the last row, and the total. */
interface PageTokenPayload {
  position: (string | null)[];
  totalSize: number;
}

function pageSizeOf(pageSize: number | undefined): number {
  if (pageSize !== undefined && !(pageSize >= 0))
    throw badRequest("pageSize", "pageSize must not be negative.");
  return Math.min(pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
}
