import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { openDatabase } from "./database.ts";

function tablesOfMigrations(): string[] {
  const folder = new URL("../../../migrations/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  const text = files.map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
  return [...text.matchAll(/^CREATE TABLE "(\w+)"/gm)].map(([, name]) => name as string).sort();
}

describe("the database", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase({ migrated: false });
  });
  afterAll(() => database.drop());

  test("can be migrated by ten processes at once, and each sees the whole schema", async () => {
    await Promise.all(Array.from({ length: 10 }, () => database.migrate()));
    const tables =
      await database.sql`select table_name from information_schema.tables where table_schema = 'public'`;
    expect(tables.map((row) => row["table_name"]).sort()).toEqual(tablesOfMigrations());
    const applied = await database.sql`select hash from drizzle.__drizzle_migrations`;
    expect(new Set(applied.map((row) => row["hash"])).size).toBe(applied.length);
  });

  test("delivers a notification with its payload to listeners", async () => {
    const got: string[] = [];
    let wake = (): void => {};
    const unlisten = await database.listen("greetings", (payload) => {
      got.push(payload);
      wake();
    });
    const arrived = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await database.sql.notify("greetings", "hello");
    await arrived;
    expect(got).toEqual(["", "hello"]);
    await unlisten();
  });

  test("resumes listening after a lost connection, and tells listeners that they may have missed notifications", async () => {
    let heard: (payload: string) => void = () => {};
    const unlisten = await database.listen("cut", (payload) => heard(payload));
    const again = new Promise<void>((resolve) => {
      heard = (payload) => payload === "" && resolve();
    });
    await database.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query like 'listen%'`;
    await again;
    const payload = new Promise<string>((resolve) => {
      heard = resolve;
    });
    await database.sql.notify("cut", "still here");
    expect(await payload).toBe("still here");
    await unlisten();
  });

  const broken: [string, (url: URL) => void, RegExp][] = [
    [
      "the server is not there",
      (url) => url.searchParams.set("host", "/nonexistent"),
      /there is no such socket/,
    ],
    [
      "the password is wrong",
      (url) => {
        url.password = "hunter2";
      },
      /the password is wrong/,
    ],
    [
      "the database is missing",
      (url) => {
        url.pathname = "/nowhere";
      },
      /there is no such database/,
    ],
  ];
  test.each(broken)("reports in one line without the password when %s", async (_, spoil, message) => {
    const url = new URL(database.url);
    url.password = "hunter2";
    if (message.source !== "the password is wrong") url.password = new URL(database.url).password;
    spoil(url);
    const error = await openDatabase({ url: url.href, log: silentLog }).then(
      () => null,
      (thrown: Error) => thrown,
    );
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain(url.password);
    expect(error?.message).not.toContain("\n");
  });

  test.each(["not a url", "mysql://a:hunter2@b/c"])(
    "refuses an invalid DATABASE_URL without repeating it",
    async (url) => {
      await expect(openDatabase({ url, log: silentLog })).rejects.toThrow(/^DATABASE_URL (?!.*hunter2)/);
    },
  );
});
