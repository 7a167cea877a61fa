import { randomBytes } from "node:crypto";
import { type Database, openDatabase } from "../../src/platform/db/database.ts";
import type { BasicLog } from "../../src/platform/telemetry/log.ts";

export interface TestDatabase extends Database {
  /** For a second opener or a child process. */
  url: string;
  /** Closes the connections and drops the database, whoever is still connected. */
  drop(): Promise<void>;
}

export const silentLog: BasicLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A fresh database with all migrations applied. Call it in `beforeAll`, and `drop()` in `afterAll`. */
export async function testDatabase(options: { migrated?: boolean } = {}): Promise<TestDatabase> {
  const server = process.env["HEARTH_TEST_DATABASE_URL"];
  if (server === undefined)
    throw new Error("HEARTH_TEST_DATABASE_URL is not set: run the tests with vitest.");
  const name = `test_${randomBytes(8).toString("hex")}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const database = await openDatabase({ url: url.href, log: silentLog });
  if (options.migrated !== false) await database.migrate();
  return {
    ...database,
    url: url.href,
    async drop() {
      await database.close();
      await onServer(server, `drop database if exists ${name} with (force)`);
    },
  };
}

async function onServer(url: string, statement: string): Promise<void> {
  const server = await openDatabase({ url, log: silentLog, maxConnections: 1 });
  try {
    await server.sql.unsafe(statement);
  } finally {
    await server.close();
  }
}
