import { createHmac, randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { newApiKey } from "../../lib/ids.ts";
import { createAccounts } from "../accounts/service.ts";
import { createUsers, type Users } from "../users/service.ts";
import { type ApiKeys, createApiKeys } from "./service.ts";

const migrations = fileURLToPath(new URL("../../../migrations", import.meta.url));
const pepper = randomBytes(32).toString("base64url");
const bootstrap = newApiKey();
const ci = newApiKey();
const old = newApiKey();

let folder: string;
let database: TestDatabase;
let users: Users;
let keys: ApiKeys;

/** Creates a database of the first release with keys in it, and applies all later migrations. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hearth-upgrade-"));
  database = await testDatabase({ migrated: false });
  await migrate(database.db, { migrationsFolder: firstMigration() });
  await database.sql`insert into platform_secrets values ('api-key-pepper', ${pepper})`;
  await database.sql`insert into accounts values ('local', now())`;
  for (const [key, account, name, role, disabledAt] of [
    [bootstrap, "local", "bootstrap", "admin", null],
    [ci, "local", "ci", "user", null],
    [old, "lost-account", "old", "admin", new Date(0).toISOString()],
  ] as const) {
    await database.sql`
      insert into api_keys (id, account_id, name, prefix, digest, role, created_at, disabled_at)
      values (${key.slice(3, 20)}, ${account}, ${name}, ${key.slice(0, 8)}, ${digestOf(key)}, ${role}, now(), ${disabledAt})`;
  }
  await database.migrate();

  const clock = new FakeClock(Date.now());
  const tokenSecret = randomBytes(32);
  const accounts = createAccounts({ database, clock, tokenSecret });
  users = createUsers({ database, accounts, clock, tokenSecret });
  keys = await createApiKeys({ database, users, clock, log: silentLog, tokenSecret });
});
afterAll(async () => {
  await keys.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

function firstMigration(): string {
  mkdirSync(join(folder, "meta"));
  cpSync(join(migrations, "0000_foundation.sql"), join(folder, "0000_foundation.sql"));
  const journal = JSON.parse(readFileSync(join(migrations, "meta/_journal.json"), "utf8"));
  const first = { ...journal, entries: journal.entries.slice(0, 1) };
  writeFileSync(join(folder, "meta/_journal.json"), JSON.stringify(first));
  return folder;
}

function digestOf(key: string): string {
  return createHmac("sha256", Buffer.from(pepper, "base64url")).update(key).digest("hex");
}

test("the bootstrap key still works after the upgrade and belongs to the operator", async () => {
  const operator = { accountId: "local", userId: "operator", role: "admin", isOperator: true };
  expect(keys.authenticate(`Bearer ${bootstrap}`)).toMatchObject(operator);
  const options = { accountId: "local", apiKey: bootstrap, keyFile: "unused" };
  expect(await keys.bootstrap(options)).toEqual({ apiKey: null, created: false });
  expect(keys.authenticate(`Bearer ${bootstrap}`)).toMatchObject(operator);
});

test("other keys keep their account and role after the upgrade and don't belong to the operator", () => {
  expect(keys.authenticate(`Bearer ${ci}`)).toMatchObject({
    accountId: "local",
    role: "user",
    isOperator: false,
  });
});

test("a disabled key stays disabled after the upgrade, and its account exists", async () => {
  expect(() => keys.authenticate(`Bearer ${old}`)).toThrow();
  expect(await users.find("lost-account", "admin")).toMatchObject({ role: "admin", isOperator: false });
});

test("the library account exists after the upgrade", async () => {
  expect(await database.sql`select id from accounts where id = 'fireworks'`).toHaveLength(1);
});
