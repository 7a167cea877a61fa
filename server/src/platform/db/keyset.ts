import { is, type SQL, sql } from "drizzle-orm";
import { PgColumn } from "drizzle-orm/pg-core";
import { comparable, type FieldSql, parameter } from "./filter-sql.ts";

/** One term of the order of a list. */
export interface KeysetTerm {
  field: FieldSql;
  descending: boolean;
}

/** `a desc, b asc`. Nulls count as larger than all values, which is PostgreSQL's default. */
export function orderSql(terms: readonly KeysetTerm[]): SQL {
  return sql.join(
    terms.map(({ field, descending }) => sql`${comparable(field)} ${sql.raw(descending ? "desc" : "asc")}`),
    sql`, `,
  );
}

/**
 * One column for each term: the row's value as text, without loss. Together they are the row's position in the order.
 */
export function positionSql(terms: readonly KeysetTerm[]): SQL {
  return sql.join(
    terms.map(({ field }) => sql`${comparable(field)}::text`),
    sql`, `,
  );
}

/** Condition for the rows after `position` in the order (keyset pagination). */
export function afterSql(terms: readonly KeysetTerm[], position: readonly (string | null)[]): SQL {
  const [first] = terms;
  const isOneDirection = terms.every(({ descending }) => descending === first!.descending);
  if (isOneDirection && !terms.some(mayBeNull)) {
    const columns = sql.join(
      terms.map(({ field }) => comparable(field)),
      sql`, `,
    );
    const values = sql.join(
      terms.map(({ field }, i) => parameter(field.type, position[i]!)),
      sql`, `,
    );
    return sql`((${columns}) ${sql.raw(first!.descending ? "<" : ">")} (${values}))`;
  }
  const cases = terms.map((term, i) => {
    const conditions = terms.slice(0, i).map((earlier, j) => equalSql(earlier, position[j]!));
    conditions.push(beyondSql(term, position[i]!));
    return sql.join(conditions, sql` and `);
  });
  const after = sql`(${sql.join(cases, sql` or `)})`;
  // The disjunction alone can't use an index; the condition on the first term can.
  return sql`(${beyondSql(first!, position[0]!, "=")} and ${after})`;
}

function mayBeNull({ field }: KeysetTerm): boolean {
  return !(is(field.sql, PgColumn) && field.sql.notNull);
}

function equalSql({ field }: KeysetTerm, value: string | null): SQL {
  if (value === null) return sql`${comparable(field)} is null`;
  return sql`${comparable(field)} = ${parameter(field.type, value)}`;
}

/** @param orEqual `=`: rows with the same value count too. */
function beyondSql(term: KeysetTerm, value: string | null, orEqual: "" | "=" = ""): SQL {
  const { field, descending } = term;
  const column = comparable(field);
  if (value === null) {
    if (orEqual === "=") return descending ? sql`true` : sql`(${column} is null)`;
    return descending ? sql`(${column} is not null)` : sql`false`;
  }
  const bound = parameter(field.type, value);
  if (descending) return sql`(${column} ${sql.raw(`<${orEqual}`)} ${bound})`;
  const beyond = sql`${column} ${sql.raw(`>${orEqual}`)} ${bound}`;
  return mayBeNull(term) ? sql`(${beyond} or ${column} is null)` : sql`(${beyond})`;
}
