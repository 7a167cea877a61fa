import { is, type SQL, sql } from "drizzle-orm";
import { PgColumn } from "drizzle-orm/pg-core";
import { comparable, type FieldSql, parameter } from "./filter-sql.ts";

/** One term of an order. */
export interface KeysetTerm {
  field: FieldSql;
  descending: boolean;
}

/** `a desc, b asc`; PostgreSQL's default puts what is absent after everything else, as here. */
export function orderSql(terms: readonly KeysetTerm[]): SQL {
  return sql.join(
    terms.map(({ field, descending }) => sql`${comparable(field)} ${sql.raw(descending ? "desc" : "asc")}`),
    sql`, `,
  );
}

/** The values that place a row in the order, as text without loss: a column each. */
export function positionSql(terms: readonly KeysetTerm[]): SQL {
  return sql.join(
    terms.map(({ field }) => sql`${comparable(field)}::text`),
    sql`, `,
  );
}

/** True for the rows that come after `position` in the order. */
export function afterSql(terms: readonly KeysetTerm[], position: readonly (string | null)[]): SQL {
  const [first] = terms;
  const sameWay = terms.every(({ descending }) => descending === first!.descending);
  if (sameWay && !terms.some(mayBeNull)) {
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
  const cases = terms.map((term, i) =>
    sql.join(
      [
        ...terms.slice(0, i).map((earlier, j) => equalSql(earlier, position[j]!)),
        beyondSql(term, position[i]!),
      ],
      sql` and `,
    ),
  );
  const after = sql`(${sql.join(cases, sql` or `)})`;
  // The cases together can't use an index: the first term alone says where to begin.
  return sql`(${beyondSql(first!, position[0]!, "=")} and ${after})`;
}

function mayBeNull({ field }: KeysetTerm): boolean {
  return !(is(field.sql, PgColumn) && field.sql.notNull);
}

function equalSql({ field }: KeysetTerm, value: string | null): SQL {
  if (value === null) return sql`${comparable(field)} is null`;
  return sql`${comparable(field)} = ${parameter(field.type, value)}`;
}

/** @param orEqual `=`: or at it. */
function beyondSql(term: KeysetTerm, value: string | null, orEqual: "" | "=" = ""): SQL {
  const { field, descending } = term;
  const own = comparable(field);
  if (value === null) {
    if (orEqual === "=") return descending ? sql`true` : sql`(${own} is null)`;
    return descending ? sql`(${own} is not null)` : sql`false`;
  }
  const bound = parameter(field.type, value);
  if (descending) return sql`(${own} ${sql.raw(`<${orEqual}`)} ${bound})`;
  const beyond = sql`${own} ${sql.raw(`>${orEqual}`)} ${bound}`;
  return mayBeNull(term) ? sql`(${beyond} or ${own} is null)` : sql`(${beyond})`;
}
