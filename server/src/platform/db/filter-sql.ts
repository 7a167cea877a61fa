import { type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { CheckedFilter, FieldType, FilterTest } from "../../lib/filter-check.ts";

export interface FieldSql {
  /**
   * Expression of the field's value: text for string, enum and duration (as in the API, `600s`); a PostgreSQL number,
   * boolean or timestamptz; a jsonb array for strings and a jsonb object for map. Null: the field is absent.
   */
  sql: SQL | PgColumn;
  type: FieldType;
}

/**
 * The SQL condition of a filter; its values are parameters. The result is never null: an absent value fails every test,
 * and so passes the negation of every test.
 */
export function filterSql(filter: CheckedFilter, fields: Readonly<Record<string, FieldSql>>): SQL {
  if (filter.op === "not") return sql`(${filterSql(filter.term, fields)} is not true)`;
  if (filter.op === "test") {
    const field = fields[filter.field]!;
    return filter.key === null ? testSql(field, filter.test) : keySql(field.sql, filter.key, filter.test);
  }
  const terms = filter.terms.map((term) => filterSql(term, fields));
  return sql`(${sql.join(terms, filter.op === "and" ? sql` and ` : sql` or `)})`;
}

function keySql(map: SQL | PgColumn, key: string, test: FilterTest): SQL {
  if (test.kind === "present") return sql`(jsonb_exists(${map}, ${key}))`;
  return testSql({ sql: sql`(${map} ->> ${key}::text)`, type: "string" }, test);
}

function testSql(field: FieldSql, test: FilterTest): SQL {
  switch (test.kind) {
    case "present":
      return presentSql(field);
    case "text":
      return textSql(field.sql, test.pieces, test.contains);
    case "member":
      return sql`(jsonb_exists(${field.sql}, ${test.text}))`;
    case "value": {
      const { value } = test;
      // An absent boolean means false, as everywhere in the API.
      if (typeof value === "boolean")
        return value ? sql`(${field.sql} is true)` : sql`(${field.sql} is not true)`;
      const comparator = sql.raw(test.comparator);
      return sql`(${comparable(field)} ${comparator} ${parameter(field.type, String(value))})`;
    }
  }
}

function presentSql({ sql: value, type }: FieldSql): SQL {
  if (type === "string") return sql`(${value} <> '')`;
  if (type === "strings") return sql`(${value} <> '[]'::jsonb)`;
  if (type === "map") return sql`(${value} <> '{}'::jsonb)`;
  return type === "boolean" ? sql`(${value} is true)` : sql`(${value} is not null)`;
}

function textSql(value: SQL | PgColumn, pieces: readonly string[], contains: boolean): SQL {
  const pattern = pieces.map((piece) => piece.replace(/[\\%_]/g, "\\$&")).join("%");
  if (contains) return sql`(${value} ilike ${`%${pattern}%`}::text)`;
  if (pieces.length > 1) return sql`(${value} like ${pattern}::text)`;
  if (pieces[0] === "") return sql`(${value} is null or ${value} = '')`;
  return sql`(${value} = ${pieces[0]}::text)`;
}

/** The field's value in a form that PostgreSQL compares and orders correctly. */
export function comparable({ sql: value, type }: FieldSql): SQL {
  // Durations are stored as text with an `s` at the end; compare them as numbers of milliseconds.
  return type === "duration" ? sql`(left(${value}, -1)::numeric * 1000)` : sql`${value}`;
}

const CASTS: Readonly<Record<Exclude<FieldType, "strings" | "map">, string>> = {
  string: "text",
  enum: "text",
  int: "bigint",
  number: "double precision",
  boolean: "boolean",
  timestamp: "timestamptz",
  duration: "numeric",
};

/** A value as a parameter of the type of `comparable`. It is sent as text, so that nothing is rounded. */
export function parameter(type: FieldType, text: string): SQL {
  if (type === "strings" || type === "map") throw new Error(`A ${type} has no order.`);
  return sql`${text}::text::${sql.raw(CASTS[type])}`;
}
