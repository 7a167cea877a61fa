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
  /** Above 200 counts as 200; 0 as absent, 50. */
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
  /** All rows that match, counted when the first page was read; an estimate for filters on large lists, see `RowCounter`. */
  totalSize: number;
}

/** A field that clients filter and order by. */
export interface ListField extends FieldSql {
  type: FieldType;
  /** The names of an enum. */
  values?: readonly string[];
  /** A column that gives the same order faster, for fields that are computed from it. */
  orderBy?: PgColumn;
}

export interface ListingOptions<T extends PgTable> {
  db: Database["db"];
  table: T;
  /** By wire name, camelCase with dots: `baseModelDetails.parameterCount`. */
  fields: Readonly<Record<string, ListField>>;
  /** As clients write it: `createTime desc`. Wants an index on the scope's column, the order's and `key`, all in one direction. */
  defaultOrder: string;
  /** Unique within a scope; breaks ties. */
  key: PgColumn;
  /** Shared by all processes of an installation. */
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
 * A list of a table's rows, page by page. Pages follow each other by value, not by number: rows that come or go in
 * between neither repeat nor hide others.
 * The returned function takes the client's query, the restriction `where`, its name `scope` (a page token works in its
 * own scope alone) and `countKey`, see `storedCountSql`.
 * @throws AppError BAD_REQUEST naming pageSize, pageToken, filter or orderBy.
 */
export function createListing<T extends PgTable>(options: ListingOptions<T>): List<InferSelectModel<T>> {
  const { db, table, fields, tokenSecret } = options;
  const orderable = new Set(
    Object.keys(fields).filter((name) => !["strings", "map"].includes(fields[name]!.type)),
  );

  const columns = Object.entries(getTableColumns(table));
  const dialect = new PgDialect();
  // The query builder makes these texts anew for every page, which costs more than reading its rows.
  const selected = sql.raw(
    dialect.sqlToQuery(
      sql.join(
        columns.map(([, column]) => sql`${column}`),
        sql`, `,
      ),
    ).sql,
  );
  const keep = preparedStatements(db.$client);
  const rowOf = rowMapper<InferSelectModel<T>>(columns);
  const run = (statement: SQL): Promise<unknown[][]> => keep(dialect.sqlToQuery(statement));
  const counts = new RowCounter(run, table);

  function termsOf(orderBy: string): KeysetTerm[] {
    const terms = parseOrderBy(orderBy, orderable).map(({ field, descending }) => {
      const { sql: value, type, orderBy: column } = fields[field]!;
      return { field: { sql: column ?? value, type }, descending };
    });
    if (terms.some(({ field }) => field.sql === options.key)) return terms;
    // In the direction of the last term, so that one index serves both directions.
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

/** Makes a row of its columns' values. */
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

/** What the database gave up on is the filter's or the order's doing, not a failure. */
function toListTimeoutError(error: Error): never {
  const { code } = (error.cause ?? error) as { code?: unknown };
  if (code !== QUERY_CANCELED) throw error;
  throw new AppError(
    "DEADLINE_EXCEEDED",
    "The list took too long: ask for less with filter, or without orderBy.",
  );
}

/** What a page token holds: where the next page begins. */
interface PageTokenPayload {
  position: (string | null)[];
  totalSize: number;
}

function pageSizeOf(pageSize: number | undefined): number {
  if (pageSize !== undefined && !(pageSize >= 0))
    throw badRequest("pageSize", "pageSize must not be negative.");
  return Math.min(pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
}
