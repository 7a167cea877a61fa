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

/** Simulates a separate process: it shares no database connection with the others. */
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

/** Settles when `check` is true. The test's time limit bounds the wait for notifications. */
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

/** Creates a key for alice. */
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
  test("gives the key's user and role, whatever the case of the scheme", async () => {
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

  test("refuses absent, malformed, unknown, deleted and expired keys with the same message", async () => {
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

  test("never stores a key, only its keyed digest", async () => {
    const { key } = await newKey(t.keys);
    const rows = await t.database.sql`select row_to_json(k)::text as text from api_keys k`;
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.some((row) => String(row["text"]).includes(key))).toBe(false);
  });
});

describe("several processes", () => {
  test("learn of keys that one of them creates or deletes, without a restart", async () => {
    const [one, two] = [await gateway(), await gateway()];
    const { keyId, key } = await newKey(one.keys);
    expect(accepts(one.keys, key)).toBe(true);
    await eventually(() => accepts(two.keys, key));
    await two.keys.delete(alice.principal, "acme", null, keyId);
    expect(accepts(two.keys, key)).toBe(false);
    await eventually(() => !accepts(one.keys, key));
  });

  test("apply changed roles and deleted users at once in the same process and soon in others", async () => {
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

  test("see a change whose notification was lost after the periodic reload", async () => {
    const { keys } = await gateway();
    const { keyId, key } = await newKey(t.keys);
    await eventually(() => accepts(keys, key));
    await t.database.sql`update api_keys set delete_time = now() where id = ${keyId}`;
    expect(accepts(keys, key)).toBe(true);
    clock.advance(15_000);
    await eventually(() => !accepts(keys, key));
  });

  test("give none of the old keys to a new user with the same id", async () => {
    const old = await t.addUser("acme", "phoenix", "user");
    await t.users.delete(t.operator.principal, "acme", "phoenix");
    const fresh = await t.addUser("acme", "phoenix", "admin");
    expect([accepts(t.keys, old.key), accepts(t.keys, fresh.key)]).toEqual([false, true]);
  });

  test("never accept a key that was created while its user was deleted", async () => {
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

describe("the time of the last use", () => {
  const lastUsed = async (keyId: string) =>
    (await t.keys.get(alice.principal, "acme", "alice", keyId)).lastUsed;

  test("is stored once a minute, not with every request, and is absent for an unused key", async () => {
    const { keyId, key } = await newKey(t.keys);
    const unused = await newKey(t.keys);
    t.keys.authenticate(`Bearer ${key}`);
    const usedAt = inMs(0);
    expect(await lastUsed(keyId)).toBeUndefined();
    clock.advance(60_000);
    await eventuallyAsync(async () => (await lastUsed(keyId)) === usedAt);
    expect(await lastUsed(unused.keyId)).toBeUndefined();
  });

  test("is stored when the process ends, and is never replaced by an earlier use", async () => {
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

describe("the bootstrap", () => {
  test("creates the operator's key and a private key file at the first start, and reuses them at the second", async () => {
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

  test("creates one operator and one key when two processes start for the first time at once", async () => {
    const [one, two] = [await gateway(), await gateway()];
    const keyFile = join(folder, "race", "api-key");
    const options = { accountId: "race", apiKey: null, keyFile };
    await Promise.all([one.keys.bootstrap(options), two.keys.bootstrap(options)]);
    const key = readFileSync(keyFile, "utf8").trim();
    await eventually(() => accepts(one.keys, key) && accepts(two.keys, key));
    const operators = (await one.users.members()).filter((member) => member.accountId === "race");
    expect(operators).toMatchObject([{ role: "admin", isOperator: true }]);
  });

  test("gives a key from the settings to the operator, never shows it and writes no file", async () => {
    const apiKey = newApiKey();
    const keyFile = join(folder, "given", "api-key");
    const options = { accountId: "two", apiKey, keyFile };
    expect(await t.keys.bootstrap(options)).toEqual({ apiKey: null, created: true });
    expect(await t.keys.bootstrap(options)).toEqual({ apiKey: null, created: false });
    expect(t.keys.authenticate(`Bearer ${apiKey}`)).toMatchObject({ accountId: "two", isOperator: true });
    expect(existsSync(keyFile)).toBe(false);
  });

  test("makes no operator of a user named operator or of the user of a key named bootstrap", async () => {
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

  test("fails for another account's, another user's or a deleted key with a reason that does not show the key", async () => {
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

  test("fails for a key file with other content, and does not change the file", async () => {
    const keyFile = join(folder, "broken");
    writeFileSync(keyFile, "not a key\n");
    await expect(t.keys.bootstrap({ accountId: "one", apiKey: null, keyFile })).rejects.toThrow(
      /holds no API key/,
    );
    expect(readFileSync(keyFile, "utf8")).toBe("not a key\n");
  });
});
