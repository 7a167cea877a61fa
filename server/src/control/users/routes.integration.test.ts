import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";

const USERS = "/v1/accounts/acme/users";

let t: Tenants;
let admin: TestUser;
let alice: TestUser;
let mallory: TestUser;

beforeAll(async () => {
  t = await startTenants();
  admin = await t.addUser("acme", "root", "admin");
  alice = await t.addUser("acme", "alice", "user");
  mallory = await t.addUser("evil", "mallory", "admin");
});
afterAll(() => t.close());

describe("creating users", () => {
  test("is possible for admins, and all users of the account see the new user", async () => {
    const body = { role: "contributor", email: "Carol.White@Example.com", displayName: "Carol" };
    const made = await t.call(admin.key, "POST", `${USERS}?userId=carol`, body);
    expect(made.status, made.text).toBe(200);
    expect(made.json).toEqual({
      ...body,
      name: "accounts/acme/users/carol",
      serviceAccount: false,
      createTime: "2026-01-01T00:00:00.000Z",
      state: "READY",
      status: { code: "OK", message: "" },
      updateTime: "2026-01-01T00:00:00.000Z",
      permissionPreset: "",
    });
    expect((await t.call(alice.key, "GET", `${USERS}/carol`)).json).toEqual(made.json);
    expect((await t.call(alice.key, "GET", `${USERS}/carol?readMask=role`)).json).toEqual({
      role: "contributor",
    });
    const listed = await t.call(alice.key, "GET", `${USERS}?pageSize=200`);
    expect(listed.json.users).toContainEqual(made.json);
  });

  test("derives a missing id from the email address, with a suffix when it is taken", async () => {
    const ids: string[] = [];
    for (const email of ["Dave.O'Neil+test@x.example", "dave-o-neil-test@y.example", "42@x.example"]) {
      const { json } = await t.call(admin.key, "POST", USERS, { role: "user", email });
      ids.push(json.name.split("/").at(-1));
    }
    expect(ids).toEqual([
      "dave-o-neil-test",
      expect.stringMatching(/^dave-o-neil-test-[a-z0-9]{16}$/),
      "user-42",
    ]);
  });

  test("demands an id for a service account and gives it an address that identifies its keys", async () => {
    const bot = { role: "user", serviceAccount: true };
    expect((await t.call(admin.key, "POST", USERS, bot)).text).toContain("userId");
    const made = await t.call(admin.key, "POST", `${USERS}?userId=my-bot`, bot);
    expect(made.json).toMatchObject({ serviceAccount: true, email: "my-bot@acme.service-account.invalid" });
    const key = await t.call(admin.key, "POST", `${USERS}/my-bot/apiKeys`, { apiKey: {} });
    expect(key.json.email).toBe(made.json.email);
    expect((await t.call(key.json.key, "GET", USERS)).status).toBe(200);
  });

  test("answers 409 for a taken id or address and changes no user", async () => {
    const again = await t.call(admin.key, "POST", `${USERS}?userId=alice`, {
      role: "admin",
      email: "a@b.example",
    });
    expect([again.status, again.json.code]).toEqual([409, 6]);
    const address = { role: "admin", email: "ALICE@acme.example" };
    expect((await t.call(admin.key, "POST", `${USERS}?userId=alice2`, address)).status).toBe(409);
    expect((await t.call(admin.key, "POST", USERS, address)).status).toBe(409);
    expect((await t.call(admin.key, "GET", `${USERS}/alice`)).json.role).toBe("user");
  });

  test.each([
    ["no role", {}, "role"],
    ["an unknown role", { role: "owner" }, "role"],
    ["a role in other letters", { role: "аdmin" }, "role"],
    ["a custom role, which needs presets that are not there", { role: "custom" }, "role"],
    ["a preset", { role: "custom", permissionPreset: "agent" }, "permissionPreset"],
    ["an unknown field", { role: "user", isOperator: true }, "isOperator"],
    ["an address without a domain", { role: "user", email: "x@" }, "email"],
    ["an address of look-alike letters", { role: "user", email: "аlice@acme.example" }, "email"],
    ["an address with a line break", { role: "user", email: "a@b.example\nBcc:x" }, "email"],
    ["a huge address", { role: "user", email: `${"x".repeat(300)}@b.example` }, "email"],
    ["a huge name", { role: "user", displayName: "x".repeat(64) }, "displayName"],
    ["a name with a control character", { role: "user", displayName: "a\u001b[31m" }, "displayName"],
    ["a number for a name", { role: "user", displayName: 1 }, "displayName"],
  ])("refuses %s with the name of the field", async (_case, body, field) => {
    const response = await t.call(admin.key, "POST", `${USERS}?userId=new-user`, body);
    expect([response.status, response.json.code], response.text).toEqual([400, 3]);
    expect(response.json.details[0].fieldViolations[0].field).toBe(field);
  });

  test.each(["A", "1a", "-a", "a-", "a_b", "a.b", "ä", "x".repeat(64), "a/b", "..", "%2e%2e", "a%00"])(
    "refuses the id %s with the name of the parameter",
    async (id) => {
      const response = await t.call(admin.key, "POST", `${USERS}?userId=${encodeURI(id)}`, { role: "user" });
      expect(response.status).toBe(400);
      expect(response.text).toContain("userId");
    },
  );

  test("refuses a request with neither id nor address", async () => {
    expect((await t.call(admin.key, "POST", USERS, { role: "user" })).text).toContain("email");
  });

  test("is impossible in an account that doesn't exist, and in the library account without the operator", async () => {
    const body = { role: "admin", email: "x@y.example" };
    expect((await t.call(t.operator.key, "POST", "/v1/accounts/none/users", body)).status).toBe(404);
    expect((await t.call(admin.key, "POST", "/v1/accounts/fireworks/users", body)).status).toBe(403);
    expect((await t.call(t.operator.key, "POST", "/v1/accounts/fireworks/users", body)).status).toBe(200);
  });
});

describe("changing users", () => {
  test("changes the fields of the mask, or without a mask those of the body, and resets masked fields that the body lacks", async () => {
    const path = `${USERS}/patched`;
    await t.call(admin.key, "POST", `${USERS}?userId=patched`, {
      role: "user",
      displayName: "P",
      email: "p@x.example",
    });
    t.clock.advance(1_000);
    const masked = await t.call(admin.key, "PATCH", `${path}?updateMask=display_name`, {
      role: "admin",
      displayName: "Q",
    });
    expect(masked.json).toMatchObject({ role: "user", displayName: "Q", email: "p@x.example" });
    expect(masked.json.updateTime > masked.json.createTime).toBe(true);
    const plain = await t.call(admin.key, "PATCH", path, {
      role: "contributor",
      name: "accounts/acme/users/root",
    });
    expect(plain.json).toMatchObject({
      name: "accounts/acme/users/patched",
      role: "contributor",
      displayName: "Q",
    });
    const emptied = await t.call(admin.key, "PATCH", `${path}?updateMask=displayName`, {});
    expect(emptied.json).toMatchObject({ displayName: "", role: "contributor" });
    expect((await t.call(admin.key, "PATCH", `${path}?updateMask=role`, {})).text).toContain(
      "role is required",
    );
    expect(
      (await t.call(admin.key, "PATCH", `${path}?updateMask=isOperator`, { role: "admin" })).status,
    ).toBe(400);
    expect((await t.call(admin.key, "PATCH", path, { email: "alice@acme.example" })).status).toBe(409);
  });

  test("applies a new role to the user's next request", async () => {
    const eve = await t.addUser("acme", "eve", "user");
    const create = () => t.call(eve.key, "POST", USERS, { role: "user", email: "friend@x.example" });
    expect((await create()).status).toBe(403);
    await t.call(admin.key, "PATCH", `${USERS}/eve`, { role: "admin" });
    expect((await create()).status).toBe(200);
  });

  test("lets users change only their own display name", async () => {
    const ownName = await t.call(alice.key, "PATCH", `${USERS}/alice`, { displayName: "Alice" });
    expect(ownName.json).toMatchObject({ displayName: "Alice", role: "user" });
    for (const body of [{ role: "admin" }, { displayName: "A", role: "admin" }, { email: "a@b.example" }]) {
      expect((await t.call(alice.key, "PATCH", `${USERS}/alice`, body)).status).toBe(403);
    }
    expect((await t.call(alice.key, "PATCH", `${USERS}/root`, { displayName: "R" })).status).toBe(403);
  });
});

describe("deleting users", () => {
  test("deletes their keys too", async () => {
    const frank = await t.addUser("acme", "frank", "user");
    expect((await t.call(alice.key, "DELETE", `${USERS}/frank`)).status).toBe(403);
    expect((await t.call(admin.key, "DELETE", `${USERS}/frank`)).json).toEqual({});
    expect((await t.call(frank.key, "GET", USERS)).status).toBe(401);
    expect((await t.call(admin.key, "GET", `${USERS}/frank`)).status).toBe(404);
    expect((await t.call(admin.key, "DELETE", `${USERS}/frank`)).status).toBe(404);
  });
});

describe("users of other accounts", () => {
  test("answer NOT_FOUND to every method", async () => {
    for (const [method, body] of [
      ["GET", undefined],
      ["PATCH", { role: "admin" }],
      ["DELETE", undefined],
    ] as const) {
      const foreign = await t.call(mallory.key, method, `${USERS}/alice`, body);
      const missing = await t.call(mallory.key, method, "/v1/accounts/evil/users/alice", body);
      expect(foreign.status).toBe(404);
      expect(foreign.text).toBe(missing.text.replaceAll("accounts/evil", "accounts/acme"));
    }
    const list = await t.call(mallory.key, "GET", USERS);
    const unknown = await t.call(mallory.key, "GET", "/v1/accounts/none/users");
    expect([list.status, list.text.replace("acme", "none")]).toEqual([404, unknown.text]);
    expect(
      (await t.call(mallory.key, "POST", USERS, { role: "admin", email: "m@evil.example" })).status,
    ).toBe(404);
  });

  test("are different users even if they have the same id", async () => {
    const made = await t.call(mallory.key, "POST", "/v1/accounts/evil/users?userId=alice", { role: "admin" });
    expect(made.status).toBe(200);
    await t.call(mallory.key, "DELETE", "/v1/accounts/evil/users/alice");
    expect((await t.call(alice.key, "GET", `${USERS}/alice`)).json.role).toBe("user");
  });
});

test("every path answers 401 without an API key", async () => {
  for (const [method, path] of [
    ["GET", USERS],
    ["POST", USERS],
    ["GET", `${USERS}/alice`],
    ["PATCH", `${USERS}/alice`],
    ["DELETE", `${USERS}/alice`],
  ] as const) {
    expect((await t.call(null, method, path)).status).toBe(401);
  }
});
