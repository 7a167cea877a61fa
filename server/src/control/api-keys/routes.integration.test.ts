import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newApiKey } from "../../lib/ids.ts";
import { startTenants, type Tenants, type TestUser } from "./testing.ts";

const KEYS = "/v1/accounts/acme/apiKeys";
const ofUser = (userId: string) => `/v1/accounts/acme/users/${userId}/apiKeys`;

let t: Tenants;
let admin: TestUser;
let alice: TestUser;
let bob: TestUser;
let mallory: TestUser;

beforeAll(async () => {
  t = await startTenants();
  admin = await t.addUser("acme", "root", "admin");
  alice = await t.addUser("acme", "alice", "user");
  bob = await t.addUser("acme", "bob", "inference-user");
  mallory = await t.addUser("evil", "mallory", "admin");
});
afterAll(() => t.close());

async function make(
  user: TestUser,
  path: string,
  apiKey: object = {},
): Promise<{ keyId: string; key: string }> {
  const response = await t.call(user.key, "POST", path, { apiKey });
  expect(response.status, response.text).toBe(200);
  return response.json;
}

async function works(key: string): Promise<boolean> {
  return (await t.call(key, "GET", "/v1/accounts")).status === 200;
}

const idsOf = (reply: { json: { apiKeys: { keyId: string }[] } }) =>
  reply.json.apiKeys.map(({ keyId }) => keyId);

describe("an API key", () => {
  test("is returned only on creation, works at once and is listed by its prefix", async () => {
    const response = await t.call(alice.key, "POST", KEYS, {
      apiKey: { displayName: "ci", expireTime: "2030-01-01T00:00:00Z", annotations: { team: "search" } },
    });
    expect(response.status).toBe(200);
    const { key, keyId } = response.json;
    expect(response.json).toEqual({
      keyId,
      key,
      displayName: "ci",
      createTime: "2026-01-01T00:00:00.000Z",
      secure: true,
      email: "alice@acme.example",
      prefix: key.slice(0, 8),
      expireTime: "2030-01-01T00:00:00.000Z",
      annotations: { team: "search" },
    });
    expect(await works(key)).toBe(true);
    const { key: _, ...shown } = response.json;
    expect((await t.call(alice.key, "GET", `${ofUser("alice")}/${keyId}`)).json).toEqual(shown);
    const listed = await t.call(alice.key, "GET", `${KEYS}?filter=displayName="ci"`);
    expect(listed.json).toEqual({ apiKeys: [shown], nextPageToken: "", totalSize: 1 });
    expect(listed.text + JSON.stringify(listed.headers)).not.toContain(key);
  });

  test("is named default without a name, and output-only fields are ignored", async () => {
    const fields = {
      keyId: "mine",
      key: "fw_mine",
      prefix: "x",
      secure: false,
      email: "x@y.z",
      lastUsed: "never",
    };
    const made = await make(alice, KEYS, { ...fields, createTime: "1999-01-01T00:00:00Z" });
    expect(made).toMatchObject({ displayName: "default", secure: true, email: "alice@acme.example" });
    expect([made.keyId, made.key]).not.toContain("mine");
    expect(await works("fw_mine")).toBe(false);
  });

  test("stops working when it expires", async () => {
    const expireTime = new Date(t.clock.now() + 10_000).toISOString();
    const { key } = await make(alice, KEYS, { expireTime });
    expect(await works(key)).toBe(true);
    t.clock.advance(10_000);
    expect(await works(key)).toBe(false);
  });

  test("does not work while it is disabled, and shows that it is", async () => {
    const { keyId, key } = await make(alice, KEYS, { displayName: "ci" });
    const path = `${ofUser("alice")}/${keyId}`;
    const off = await t.call(alice.key, "PATCH", path, { disabled: true });
    expect(off.json).toMatchObject({ keyId, displayName: "ci", disabled: true });
    expect(await works(key)).toBe(false);
    expect((await t.call(alice.key, "GET", `${KEYS}?filter=disabled=true`)).json).toMatchObject({
      apiKeys: [off.json],
      totalSize: 1,
    });
    const on = await t.call(alice.key, "PATCH", `${path}?updateMask=disabled`, {});
    expect(on.json).not.toHaveProperty("disabled");
    expect(await works(key)).toBe(true);
  });

  test("can change its name, annotations and expiry, but not its user or secret", async () => {
    const { keyId, key } = await make(alice, KEYS, {});
    const path = `${ofUser("alice")}/${keyId}`;
    const expireTime = new Date(t.clock.now() + 10_000).toISOString();
    const changes = { displayName: "new", annotations: { team: "a" }, expireTime };
    const changed = await t.call(alice.key, "PATCH", path, { ...changes, email: "x@y.z", prefix: "fw_x" });
    expect(changed.json).toMatchObject({ ...changes, email: "alice@acme.example", prefix: key.slice(0, 8) });
    t.clock.advance(10_000);
    expect(await works(key)).toBe(false);
    const renamed = await t.call(alice.key, "PATCH", path, { displayName: "gone" });
    expect(renamed.json).toMatchObject({ displayName: "gone", expireTime });
    const past = await t.call(alice.key, "PATCH", path, { expireTime: "2020-01-01T00:00:00Z" });
    expect(past).toMatchObject({ status: 400, json: { code: 3 } });
    expect((await t.call(alice.key, "PATCH", path, { role: "admin" })).status).toBe(400);
    await t.call(alice.key, "PATCH", path, { expireTime: null });
    expect(await works(key)).toBe(true);
    expect((await t.call(bob.key, "PATCH", path, { disabled: true })).status).toBe(404);
  });

  test.each([
    ["a body without apiKey", {}, "apiKey"],
    ["an unknown field", { apiKey: { role: "admin" } }, "apiKey.role"],
    ["another user's name", { apiKey: {}, userId: "root" }, "userId"],
    ["an expiry in the past", { apiKey: { expireTime: "2020-01-01T00:00:00Z" } }, "apiKey.expireTime"],
    ["an expiry that is no time", { apiKey: { expireTime: "tomorrow" } }, "apiKey.expireTime"],
    ["an expiry on 30 February", { apiKey: { expireTime: "2030-02-30T00:00:00Z" } }, "apiKey.expireTime"],
    ["a huge name", { apiKey: { displayName: "x".repeat(100_000) } }, "apiKey.displayName"],
    ["a name that runs backwards", { apiKey: { displayName: "a\u202eb" } }, "apiKey.displayName"],
    ["a name with NUL", { apiKey: { displayName: "a\u0000b" } }, "body"],
    [
      "a label with a mark that reorders text",
      { apiKey: { annotations: { a: "\u202e" } } },
      "apiKey.annotations",
    ],
    ["labels that are no texts", { apiKey: { annotations: { a: 1 } } }, "apiKey.annotations"],
  ])("is refused for %s with the name of the field", async (_case, body, field) => {
    const response = await t.call(alice.key, "POST", KEYS, body);
    expect(response.status, response.text).toBe(400);
    expect(response.json.code).toBe(3);
    expect(response.text).toContain(field);
  });
});

describe("access to API keys", () => {
  test("lets every role create, list and delete their own keys by both paths", async () => {
    for (const path of [KEYS, ofUser("bob")]) {
      const { keyId, key } = await make(bob, path);
      expect(idsOf(await t.call(bob.key, "GET", path))).toContain(keyId);
      expect((await t.call(bob.key, "POST", `${path}:delete`, { keyId })).json).toEqual({});
      expect(await works(key)).toBe(false);
      expect(idsOf(await t.call(bob.key, "GET", path))).not.toContain(keyId);
      expect((await t.call(bob.key, "POST", `${path}:delete`, { keyId })).status).toBe(404);
    }
  });

  test("hides other users' keys from users", async () => {
    const { keyId, key } = await make(bob, KEYS);
    expect(idsOf(await t.call(alice.key, "GET", `${KEYS}?pageSize=200`))).not.toContain(keyId);
    expect((await t.call(alice.key, "GET", ofUser("bob"))).status).toBe(403);
    expect((await t.call(alice.key, "POST", ofUser("bob"), { apiKey: {} })).status).toBe(403);
    const missing = await t.call(alice.key, "POST", `${KEYS}:delete`, { keyId: "0".repeat(32) });
    const attempts = [
      await t.call(alice.key, "POST", `${KEYS}:delete`, { keyId }),
      await t.call(alice.key, "POST", `${ofUser("alice")}:delete`, { keyId }),
      await t.call(alice.key, "POST", `${ofUser("bob")}:delete`, { keyId }),
      await t.call(alice.key, "GET", `${ofUser("alice")}/${keyId}`),
      await t.call(alice.key, "GET", `${ofUser("bob")}/${keyId}`),
    ];
    for (const response of attempts) expect([response.status, response.text]).toEqual([404, missing.text]);
    expect(await works(key)).toBe(true);
  });

  test("lets admins manage other users' keys, each only by its own user's path", async () => {
    const { keyId, key } = await make(admin, ofUser("bob"), { displayName: "from root" });
    expect((await t.call(key, "GET", "/v1/accounts/acme/users/bob")).json.role).toBe("inference-user");
    expect(idsOf(await t.call(admin.key, "GET", `${KEYS}?pageSize=200`))).toContain(keyId);
    expect(idsOf(await t.call(admin.key, "GET", ofUser("bob")))).toContain(keyId);
    expect(idsOf(await t.call(admin.key, "GET", ofUser("alice")))).not.toContain(keyId);
    expect((await t.call(admin.key, "GET", `${ofUser("alice")}/${keyId}`)).status).toBe(404);
    expect((await t.call(admin.key, "POST", `${ofUser("alice")}:delete`, { keyId })).status).toBe(404);
    expect((await t.call(admin.key, "POST", ofUser("nobody"), { apiKey: {} })).status).toBe(404);
    expect((await t.call(admin.key, "GET", ofUser("nobody"))).status).toBe(404);
    expect((await t.call(admin.key, "POST", `${KEYS}:delete`, { keyId })).status).toBe(200);
    expect(await works(key)).toBe(false);
  });

  test("answers NOT_FOUND for another account's keys on every path", async () => {
    const { keyId, key } = await make(alice, KEYS);
    const missing = (await t.call(mallory.key, "GET", "/v1/accounts/none/users/x/apiKeys/y")).text;
    const attempts = [
      await t.call(mallory.key, "GET", `${ofUser("alice")}/${keyId}`),
      await t.call(mallory.key, "POST", `${KEYS}:delete`, { keyId }),
      await t.call(mallory.key, "POST", `${ofUser("alice")}:delete`, { keyId }),
      await t.call(mallory.key, "POST", "/v1/accounts/evil/apiKeys:delete", { keyId }),
      await t.call(mallory.key, "POST", "/v1/accounts/evil/users/mallory/apiKeys:delete", { keyId }),
    ];
    for (const response of attempts) expect([response.status, response.text]).toEqual([404, missing]);
    for (const path of [KEYS, ofUser("alice")]) {
      expect((await t.call(mallory.key, "GET", path)).status).toBe(404);
      expect((await t.call(mallory.key, "POST", path, { apiKey: {} })).status).toBe(404);
    }
    expect(await works(key)).toBe(true);
  });

  test("lets the operator create keys for users of any account, but not for the operator there", async () => {
    const { key } = await make(t.operator, "/v1/accounts/evil/users/mallory/apiKeys");
    expect(t.keys.authenticate(`Bearer ${key}`)).toMatchObject({ accountId: "evil", userId: "mallory" });
    const response = await t.call(t.operator.key, "POST", KEYS, { apiKey: {} });
    expect([response.status, response.json.code]).toEqual([400, 9]);
  });

  test("forbids admins of the operator's account to create or delete the operator's keys", async () => {
    const deputy = await t.addUser("local", "deputy", "admin");
    const operators = "/v1/accounts/local/users/operator/apiKeys";
    const { keyId } = t.operator.principal;
    expect((await t.call(deputy.key, "POST", operators, { apiKey: {} })).status).toBe(403);
    expect((await t.call(deputy.key, "POST", `${operators}:delete`, { keyId })).status).toBe(403);
    expect((await t.call(deputy.key, "POST", "/v1/accounts/local/apiKeys:delete", { keyId })).status).toBe(
      403,
    );
    expect(await works(t.operator.key)).toBe(true);
  });
});

describe("a request without a valid API key", () => {
  test("gets 401 on every path of keys, also with a key in the URL", async () => {
    const { key, keyId } = await make(alice, KEYS);
    for (const [method, path] of [
      ["GET", KEYS],
      ["POST", KEYS],
      ["POST", `${KEYS}:delete`],
      ["GET", ofUser("alice")],
      ["POST", `${ofUser("alice")}:delete`],
      ["GET", `${ofUser("alice")}/${keyId}`],
      ["GET", `${KEYS}?api_key=${key}&key=${key}&Authorization=${key}`],
      ["GET", `${ofUser("alice")}/${key}`],
    ] as const) {
      for (const credential of [null, newApiKey()]) {
        const response = await t.call(credential, method, path, method === "POST" ? {} : undefined);
        expect(response.status, path).toBe(401);
        expect(response.text).not.toContain(key);
      }
    }
  });

  test("gets a response that does not repeat a key in the URL", async () => {
    const { key } = await make(alice, KEYS);
    const response = await t.call(alice.key, "GET", `${ofUser("alice")}/${key}`);
    expect(response.status).toBe(404);
    expect(response.text).not.toContain(key);
  });
});

test("API keys are listed in pages, newest first", async () => {
  const carol = await t.addUser("acme", "carol", "user");
  const made = [carol.principal.keyId];
  for (let i = 0; i < 4; i++) {
    t.clock.advance(1_000);
    made.push((await make(carol, KEYS)).keyId);
  }
  const listed: string[] = [];
  for (let token = ""; ; ) {
    const { json } = await t.call(carol.key, "GET", `${KEYS}?pageSize=2&pageToken=${token}`);
    expect(json.totalSize).toBe(5);
    listed.push(...idsOf({ json }));
    token = json.nextPageToken;
    if (token === "") break;
  }
  expect(listed).toEqual(made.reverse());
});
