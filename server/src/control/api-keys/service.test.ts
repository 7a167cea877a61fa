import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { newApiKey } from "../../lib/ids.ts";
import { createAccounts } from "../accounts/service.ts";
import { type ApiKeys, createApiKeys } from "./service.ts";

let database: TestDatabase;
let folder: string;
const clock = new FakeClock();
const opened: ApiKeys[] = [];

async function gateway(): Promise<ApiKeys> {
  const keys = await createApiKeys({
    database,
    accounts: createAccounts({ database, clock }),
    clock,
    log: silentLog,
  });
  opened.push(keys);
  return keys;
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

beforeAll(async () => {
  database = await testDatabase();
  folder = mkdtempSync(join(tmpdir(), "hearth-keys-"));
  await createAccounts({ database, clock }).ensure("acme");
});
afterAll(async () => {
  for (const keys of opened) await keys.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

describe("authentication", () => {
  test("a key speaks for its account with its role, whatever the case of the scheme", async () => {
    const keys = await gateway();
    const { id, key } = await keys.create({ accountId: "acme", name: "ci", role: "user", expiresAtMs: null });
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect(keys.authenticate(`${scheme} ${key}`)).toMatchObject({
        accountId: "acme",
        keyId: id,
        role: "user",
      });
    }
  });

  test("absent, malformed, unknown, disabled and expired keys are refused in the same words", async () => {
    const keys = await gateway();
    const disabled = await keys.create({ accountId: "acme", name: "old", role: "user", expiresAtMs: null });
    await keys.disable("acme", disabled.id);
    const expiring = await keys.create({
      accountId: "acme",
      name: "short",
      role: "user",
      expiresAtMs: clock.now() + 1_000,
    });
    expect(accepts(keys, expiring.key)).toBe(true);
    clock.advance(1_000);
    const refused = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      `Basic ${expiring.key}`,
      `Bearer${expiring.key}`,
      `Bearer ${newApiKey()}`,
      `Bearer ${disabled.key}`,
      `Bearer ${expiring.key}`,
      `Bearer ${disabled.key} ${disabled.key}`,
      `Bearer ${"x".repeat(60_000)}`,
      "Bearer \u0000\ud800",
    ].map((authorization) => refusal(keys, authorization));
    expect(new Set(refused.map((error) => `${error.code} ${error.status} ${error.message}`)).size).toBe(1);
    expect(refused[0]?.status).toBe(401);
  });

  test("a key that one gateway makes or disables works or fails in all of them, without a restart", async () => {
    const [one, two] = [await gateway(), await gateway()];
    const { id, key } = await one.create({ accountId: "acme", name: "ci", role: "user", expiresAtMs: null });
    await eventually(() => accepts(two, key));
    await two.disable("acme", id);
    expect(accepts(two, key)).toBe(false);
    await eventually(() => !accepts(one, key));
  });

  test("a change whose notification got lost is seen after the periodic reload", async () => {
    const keys = await gateway();
    const { id, key } = await keys.create({ accountId: "acme", name: "ci", role: "user", expiresAtMs: null });
    await database.sql`update api_keys set disabled_at = now() where id = ${id}`;
    expect(accepts(keys, key)).toBe(true);
    clock.advance(15_000);
    await eventually(() => !accepts(keys, key));
  });

  test("an account can't disable another account's key", async () => {
    const keys = await gateway();
    const { id, key } = await keys.create({ accountId: "acme", name: "ci", role: "user", expiresAtMs: null });
    await keys.disable("mallory", id);
    expect(accepts(keys, key)).toBe(true);
  });

  test("the database never holds a key, only its digest under a pepper", async () => {
    const keys = await gateway();
    const { key } = await keys.create({ accountId: "acme", name: "ci", role: "user", expiresAtMs: null });
    const rows = await database.sql`select row_to_json(k)::text as text from api_keys k`;
    expect(rows.some((row) => String(row["text"]).includes(key))).toBe(false);
  });
});

describe("bootstrap", () => {
  test("the first start makes an admin key and a file only its owner can read; the second start recognises both", async () => {
    const keys = await gateway();
    const keyFile = join(folder, "first", "api-key");
    const first = await keys.bootstrap({ accountId: "local", apiKey: null, keyFile });
    expect(first.created).toBe(true);
    expect(readFileSync(keyFile, "utf8").trim()).toBe(first.apiKey);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "first"))).toEqual(["api-key"]);
    expect(keys.authenticate(`Bearer ${first.apiKey}`)).toMatchObject({ accountId: "local", role: "admin" });

    const again = await (await gateway()).bootstrap({ accountId: "local", apiKey: null, keyFile });
    expect(again).toEqual({ apiKey: null, created: false });
  });

  test("two first starts at once agree on one key", async () => {
    const keyFile = join(folder, "race", "api-key");
    const gateways = await Promise.all([gateway(), gateway()]);
    await Promise.all(gateways.map((keys) => keys.bootstrap({ accountId: "local", apiKey: null, keyFile })));
    const key = readFileSync(keyFile, "utf8").trim();
    expect(gateways.map((keys) => keys.authenticate(`Bearer ${key}`).accountId)).toEqual(["local", "local"]);
  });

  test("a given key is taken for the account and leaves no file", async () => {
    const keys = await gateway();
    const apiKey = newApiKey();
    const keyFile = join(folder, "given", "api-key");
    expect(await keys.bootstrap({ accountId: "local", apiKey, keyFile })).toEqual({
      apiKey: null,
      created: true,
    });
    expect(await keys.bootstrap({ accountId: "local", apiKey, keyFile })).toEqual({
      apiKey: null,
      created: false,
    });
    expect(keys.authenticate(`Bearer ${apiKey}`)).toMatchObject({ accountId: "local", role: "admin" });
    expect(existsSync(keyFile)).toBe(false);
  });

  test("a key of another account, a user's key and a disabled key stop the start with a reason that doesn't show the key", async () => {
    const keys = await gateway();
    const apiKey = newApiKey();
    const keyFile = join(folder, "conflict", "api-key");
    await keys.bootstrap({ accountId: "local", apiKey, keyFile });
    const user = await keys.create({ accountId: "acme", name: "ci", role: "user", expiresAtMs: null });
    const dead = await keys.create({ accountId: "acme", name: "ci", role: "admin", expiresAtMs: null });
    await keys.disable("acme", dead.id);
    for (const [key, reason] of [
      [apiKey, "belongs to another account"],
      [user.key, "is not an admin key"],
      [dead.key, "is disabled"],
    ] as const) {
      const error = await keys.bootstrap({ accountId: "acme", apiKey: key, keyFile }).then(
        () => null,
        (thrown: Error) => thrown,
      );
      expect(error?.message).toContain(reason);
      expect(error?.message).not.toContain(key);
    }
  });

  test("a key file that holds something else stops the start and stays as it is", async () => {
    const keys = await gateway();
    const keyFile = join(folder, "broken");
    writeFileSync(keyFile, "not a key\n");
    await expect(keys.bootstrap({ accountId: "local", apiKey: null, keyFile })).rejects.toThrow(
      /holds no API key/,
    );
    expect(readFileSync(keyFile, "utf8")).toBe("not a key\n");
  });
});
