import { randomBytes } from "node:crypto";
import { type Database, openDatabase } from "../../src/platform/db/database.ts";
import type { BasicLog } from "../../src/platform/telemetry/log.ts";

export interface TestDatabase extends Database {
  /** For a second connection pool or a child process. */
  url: string;
  /** Closes the connections and drops the database, also while others are still connected. */
  drop(): Promise<void>;
}

export const silentLog: BasicLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface TestDatabaseOptions {
  /** False: an empty database, for tests of migrations. Default true: a copy of the run's migrated template. */
  migrated?: boolean;
}

/** A fresh database on the run's PostgreSQL. Call it in `beforeAll`, and `drop()` in `afterAll`. */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = process.env["HEARTH_TEST_DATABASE_URL"];
  const template = process.env["HEARTH_TEST_TEMPLATE_DATABASE"];
  if (!server || !template) {
    throw new Error(
      "There is no test database here: a test that needs one is named *.integration.test.ts or *.e2e.test.ts.",
    );
  }
  const name = `test_${randomBytes(8).toString("hex")}`;
  const source = options.migrated === false ? "" : ` template ${template}`;
  await runOnServer(server, `create database ${name}${source}`);
  const url = databaseUrl(server, name);
  const database = await openDatabase({ url, log: silentLog });
  return {
    ...database,
    url,
    async drop() {
      await database.close();
      await runOnServer(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/** Creates the database that `testDatabase` copies. No connection may stay open: PostgreSQL refuses to copy a database in use. */
export async function createTemplateDatabase(server: string): Promise<string> {
  // A random name: two runs on one server would otherwise share a template, and the first to end would drop it.
  const name = `template_${randomBytes(8).toString("hex")}`;
  await runOnServer(server, `create database ${name}`);
  const database = await openDatabase({ url: databaseUrl(server, name), log: silentLog });
  try {
    await database.migrate();
  } finally {
    await database.close();
  }
  return name;
}

export function dropTemplateDatabase(server: string, name: string): Promise<void> {
  return runOnServer(server, `drop database if exists ${name} with (force)`);
}

function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function runOnServer(url: string, statement: string): Promise<void> {
  const server = await openDatabase({ url, log: silentLog, maxConnections: 1 });
  try {
    await server.sql.unsafe(statement);
  } finally {
    await server.close();
  }
}
