import type postgres from "postgres";

/** Bounds the prepared statements of each connection, which take some 50 kB each. */
const MAX_PREPARED = 20;

/**
 * Runs statements and returns their rows as arrays of values. The first 20 different statements are prepared once on
 * each connection, which saves the round trip that the query builder needs to describe each statement. Further
 * statements are not prepared, because filters of lists produce an unlimited number of them.
 */
export function preparedStatements(
  client: postgres.Sql,
): (statement: { sql: string; params: unknown[] }) => Promise<unknown[][]> {
  const prepared = new Set<string>();
  return ({ sql, params }) => {
    if (prepared.size < MAX_PREPARED) prepared.add(sql);
    return client.unsafe(sql, params as string[], { prepare: prepared.has(sql) }).values();
  };
}
