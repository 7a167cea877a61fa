import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "./harness/database.ts";

const src = fileURLToPath(new URL("../src", import.meta.url));

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

/** Every column that the code knows, as `table.column type null?`. */
async function columnsOfCode(): Promise<string[]> {
  const files = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name === "table.ts")
    .map((entry) => join(entry.parentPath, entry.name));
  const modules: object[] = await Promise.all(files.map((file) => import(pathToFileURL(file).href)));
  const tables = new Set(
    modules.flatMap((module) => Object.values(module)).filter((one) => is(one, PgTable)),
  );
  return [...tables].flatMap((table) => {
    const { name, columns } = getTableConfig(table);
    return columns.map(
      (column) => `${name}.${column.name} ${column.getSQLType()} ${column.notNull ? "" : "null"}`,
    );
  });
}

/** Every column of the database, in the same form. */
async function columnsOfDatabase(): Promise<string[]> {
  const rows = await database.sql<{ line: string }[]>`
    select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' ||
      case when a.attnotnull then '' else 'null' end as line
    from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition`;
  return rows.map(({ line }) => line);
}

describe("the migrations", () => {
  test("create exactly the columns that the code expects", async () => {
    const code = await columnsOfCode();
    expect(code.length).toBeGreaterThan(100);
    expect((await columnsOfDatabase()).sort()).toEqual(code.sort());
  });

  test("change nothing when applied again", async () => {
    const before = await columnsOfDatabase();
    await database.migrate();
    expect(await columnsOfDatabase()).toEqual(before);
  });
});
