import type postgres from "postgres";

/** Each connection keeps this many planned for a user of `preparedStatements`, some 50 kB each. */
const MAX_PREPARED = 20;

/**
 * Runs statements and gives their rows as lists of values. The first 20 different ones are kept prepared: the query
 * builder's own way has each described before it runs, which is a second round trip. The others run like that, as the
 * filters of lists make statements without end.
 */
export function preparedStatements(
  client: postgres.Sql,
): (statement: { sql: string; params: unknown[] }) => Promise<unknown[][]> {
  const kept = new Set<string>();
  return ({ sql, params }) => {
    if (kept.size < MAX_PREPARED) kept.add(sql);
    return client.unsafe(sql, params as string[], { prepare: kept.has(sql) }).values();
  };
}
