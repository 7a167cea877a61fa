import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import type { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { newApiKey } from "../../lib/ids.ts";
import { type Database, openDatabase } from "../../platform/db/database.ts";
import { platformSecret } from "../../platform/db/secrets.ts";
import { createAccounts } from "../accounts/service.ts";
import { createUsers, type Users } from "../users/service.ts";
import { type ApiKeys, createApiKeys } from "./service.ts";
import { startTenants, type Tenants, type TestUser } from "./testing.ts";

interface Gateway {
  keys: ApiKeys;
  users: Users;
}

let t: Tenants;
let clock: FakeClock;
let folder: string;
let alice: TestUser;
const opened: { keys: ApiKeys; database: Database }[] = [];

/** A process of its own as far as the database can tell: it shares no connection with the others. */
async function gateway(): Promise<Gateway> {
  const database = await openDatabase({ url: t.database.url, log: silentLog, maxConnections: 2 });
  const tokenSecret = await platformSecret(database, "page-token");
  const accounts = createAccounts({ database, clock, tokenSecret });
  const users = createUsers({ database, accounts, clock, tokenSecret });
  const keys = await createApiKeys({ database, users, clock, log: silentLog, tokenSecret });
  opened.push({ keys, database });
  return { keys, users };
}

function refusal(keys: ApiKeys, authorization: string | undefined): AppError {
  try {
    keys.authenticate(authorization);
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error("it was not refused");
}

/** Settles when `check` holds; notifications arrive on their own. The test's time limit bounds it. */
async function eventually(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setImmediate(resolve));
}

function accepts(keys: ApiKeys, key: string): boolean {
  try {
    keys.authenticate(`Bearer ${key}`);
    return true;
  } catch {
    return false;
  }
}

/** A new key of alice's. */
async function newKey(keys: ApiKeys, body: object = {}): Promise<{ keyId: string; key: string }> {
  const { keyId, key = "" } = await keys.create(alice.principal, "acme", null, body);
  return { keyId, key };
}

function inMs(ms: number): string {
  return new Date(clock.now() + ms).toISOString();
}

beforeAll(async () => {
  t = await startTenants();
  clock = t.clock;
  folder = mkdtempSync(join(tmpdir(), "hearth-keys-"));
  alice = await t.addUser("acme", "alice", "user");
});
afterAll(async () => {
  for (const { keys, database } of opened) {
    await keys.close();
    await database.close();
  }
  await t.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("authentication", () => {
  test("a key speaks for its user with the user's role, whatever the case of the scheme", async () => {
    const { keyId, key } = await newKey(t.keys);
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect(t.keys.authenticate(`${scheme} ${key}`)).toEqual({
        accountId: "acme",
        keyId,
        userId: "alice",
        role: "user",
        isOperator: false,
      });
    }
  });

  test("absent, malformed, unknown, deleted and expired keys are refused in the same words", async () => {
    const deleted = await newKey(t.keys);
    await t.keys.delete(alice.principal, "acme", null, deleted.keyId);
    const expiring = await newKey(t.keys, { expireTime: inMs(1_000) });
    expect(accepts(t.keys, expiring.key)).toBe(true);
    clock.advance(1_000);
    const refused = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      `Basic ${alice.key}`,
      `Bearer${alice.key}`,
      `Bearer ${newApiKey()}`,
      `Bearer ${deleted.key}`,
      `Bearer ${expiring.key}`,
      `Bearer ${alice.key} ${alice.key}`,
      `Bearer ${"x".repeat(60_000)}`,
      "Bearer \u0000\ud800",
    ].map((authorization) => refusal(t.keys, authorization));
    expect(new Set(refused.map((error) => `${error.code} ${error.status} ${error.message}`)).size).toBe(1);
    expect(refused[0]?.status).toBe(401);
  });

  test("the database never holds a key, only its digest under a pepper", async () => {
    const { key } = await newKey(t.keys);
    const rows = await t.database.sql`select row_to_json(k)::text as text from api_keys k`;
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.some((row) => String(row["text"]).includes(key))).toBe(false);
  });
});

describe("several processes", () => {
  test("a key that one makes or deletes works or fails in all of them, without a restart", async () => {
    const [one, two] = [await gateway(), await gateway()];
    const { keyId, key } = await newKey(one.keys);
    expect(accepts(one.keys, key)).toBe(true);
    await eventually(() => accepts(two.keys, key));
    await two.keys.delete(alice.principal, "acme", null, keyId);
    expect(accepts(two.keys, key)).toBe(false);
    await eventually(() => !accepts(one.keys, key));
  });

  test("a role that one changes, and a user that one deletes, count at once there and soon elsewhere", async () => {
    const [one, two] = [await gateway(), await gateway()];
    const { key } = await t.addUser("acme", "zoe", "user");
    const roleIn = ({ keys }: Gateway) => keys.authenticate(`Bearer ${key}`).role;
    await eventually(() => accepts(one.keys, key) && accepts(two.keys, key));
    await one.users.update(t.operator.principal, "acme", "zoe", { role: "inference-user" }, undefined);
    expect(roleIn(one)).toBe("inference-user");
    await eventually(() => roleIn(two) === "inference-user");
    await one.users.delete(t.operator.principal, "acme", "zoe");
    expect(accepts(one.keys, key)).toBe(false);
    await eventually(() => !accepts(two.keys, key));
  });

  test("a change whose notification got lost is seen after the periodic reload", async () => {
    const { keys } = await gateway();
    const { keyId, key } = await newKey(t.keys);
    await eventually(() => accepts(keys, key));
    await t.database.sql`update api_keys set delete_time = now() where id = ${keyId}`;
    expect(accepts(keys, key)).toBe(true);
    clock.advance(15_000);
    await eventually(() => !accepts(keys, key));
  });

  test("a user that comes back under the same id gets none of the old keys", async () => {
    const old = await t.addUser("acme", "phoenix", "user");
    await t.users.delete(t.operator.principal, "acme", "phoenix");
    const fresh = await t.addUser("acme", "phoenix", "admin");
    expect([accepts(t.keys, old.key), accepts(t.keys, fresh.key)]).toEqual([false, true]);
  });

  test("a key made while its user is deleted never works", async () => {
    const { key } = await t.addUser("acme", "racer", "user");
    const principal = t.keys.authenticate(`Bearer ${key}`);
    const [made, gone] = await Promise.allSettled([
      t.keys.create(principal, "acme", null, {}),
      t.users.delete(t.operator.principal, "acme", "racer"),
    ]);
    expect(gone.status).toBe("fulfilled");
    if (made.status === "fulfilled") expect(accepts(t.keys, made.value.key ?? "")).toBe(false);
    else expect(made.reason).toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("last use", () => {
  const lastUsed = async (keyId: string) =>
    (await t.keys.get(alice.principal, "acme", "alice", keyId)).lastUsed;

  test("it is written down once a minute, not with every request, and an unused key has none", async () => {
    const { keyId, key } = await newKey(t.keys);
    const unused = await newKey(t.keys);
    t.keys.authenticate(`Bearer ${key}`);
    const usedAt = inMs(0);
    expect(await lastUsed(keyId)).toBeUndefined();
    clock.advance(60_000);
    await eventuallyAsync(async () => (await lastUsed(keyId)) === usedAt);
    expect(await lastUsed(unused.keyId)).toBeUndefined();
  });

  test("a process that ends writes it down; an earlier use never takes the place of a later one", async () => {
    const { keys } = await gateway();
    const { keyId, key } = await newKey(keys);
    await eventually(() => accepts(t.keys, key));
    keys.authenticate(`Bearer ${key}`);
    clock.advance(5_000);
    t.keys.authenticate(`Bearer ${key}`);
    const usedAt = inMs(0);
    clock.advance(60_000);
    await eventuallyAsync(async () => (await lastUsed(keyId)) === usedAt);
    await keys.close();
    expect(await lastUsed(keyId)).toBe(usedAt);
  });

  async function eventuallyAsync(check: () => Promise<boolean>): Promise<void> {
    while (!(await check())) await new Promise((resolve) => setImmediate(resolve));
  }
});

describe("bootstrap", () => {
  test("the first start makes the operator's key and a file only its owner can read; the second recognises both", async () => {
    const keyFile = join(folder, "first", "api-key");
    const first = await t.keys.bootstrap({ accountId: "one", apiKey: null, keyFile });
    expect(first.created).toBe(true);
    expect(t.keys.authenticate(`Bearer ${first.apiKey}`)).toMatchObject({
      accountId: "one",
      role: "admin",
      isOperator: true,
    });
    expect(readFileSync(keyFile, "utf8")).toBe(`${first.apiKey}\n`);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "first"))).toEqual(["api-key"]);
    const second = await (await gateway()).keys.bootstrap({ accountId: "one", apiKey: null, keyFile });
    expect(second).toEqual({ apiKey: null, created: false });
  });

  test("two processes that start at once on nothing agree on one operator and one key", async () => {
    const [one, two] = [await gateway(), await gateway()];
    const keyFile = join(folder, "race", "api-key");
    const options = { accountId: "race", apiKey: null, keyFile };
    await Promise.all([one.keys.bootstrap(options), two.keys.bootstrap(options)]);
    const key = readFileSync(keyFile, "utf8").trim();
    await eventually(() => accepts(one.keys, key) && accepts(two.keys, key));
    const operators = (await one.users.members()).filter((member) => member.accountId === "race");
    expect(operators).toMatchObject([{ role: "admin", isOperator: true }]);
  });

  test("a key from the settings is the operator's, is never shown and leaves no file", async () => {
    const apiKey = newApiKey();
    const keyFile = join(folder, "given", "api-key");
    const options = { accountId: "two", apiKey, keyFile };
    expect(await t.keys.bootstrap(options)).toEqual({ apiKey: null, created: true });
    expect(await t.keys.bootstrap(options)).toEqual({ apiKey: null, created: false });
    expect(t.keys.authenticate(`Bearer ${apiKey}`)).toMatchObject({ accountId: "two", isOperator: true });
    expect(existsSync(keyFile)).toBe(false);
  });

  test("neither a key called bootstrap nor a user called operator makes an operator", async () => {
    await t.addUser("three", "operator", "admin");
    const admin = await t.addUser("three", "root", "admin");
    const { key = "" } = await t.keys.create(admin.principal, "three", "operator", {
      displayName: "bootstrap",
    });
    const apiKey = newApiKey();
    await t.keys.bootstrap({ accountId: "three", apiKey, keyFile: join(folder, "unused") });
    expect(t.keys.authenticate(`Bearer ${key}`)).toMatchObject({ userId: "operator", isOperator: false });
    expect(t.keys.authenticate(`Bearer ${apiKey}`).userId).not.toBe("operator");
    expect(t.keys.authenticate(`Bearer ${apiKey}`).isOperator).toBe(true);
  });

  test("another account's, another user's and a deleted key stop the start with a reason that doesn't show the key", async () => {
    const operatorOf = async (accountId: string) => {
      const apiKey = newApiKey();
      await t.keys.bootstrap({ accountId, apiKey, keyFile: join(folder, "unused") });
      return { apiKey, principal: t.keys.authenticate(`Bearer ${apiKey}`) };
    };
    const foreign = await operatorOf("four");
    const dead = await operatorOf("acme");
    await t.keys.delete(dead.principal, "acme", null, dead.principal.keyId);
    for (const [key, reason] of [
      [foreign.apiKey, "belongs to another account"],
      [alice.key, "is not the operator's"],
      [dead.apiKey, "was deleted"],
    ] as const) {
      const error = await t.keys.bootstrap({ accountId: "acme", apiKey: key, keyFile: "unused" }).then(
        () => null,
        (thrown: Error) => thrown,
      );
      expect(error?.message).toContain(reason);
      expect(error?.message).not.toContain(key);
    }
  });

  test("a key file that holds something else stops the start and stays as it is", async () => {
    const keyFile = join(folder, "broken");
    writeFileSync(keyFile, "not a key\n");
    await expect(t.keys.bootstrap({ accountId: "one", apiKey: null, keyFile })).rejects.toThrow(
      /holds no API key/,
    );
    expect(readFileSync(keyFile, "utf8")).toBe("not a key\n");
  });
});
