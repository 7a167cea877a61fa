import { beforeAll, describe, expect, test } from "vitest";
import { type Hearth, startHearth } from "../harness/hearth.ts";
import { type Json, send, type Target } from "../harness/http.ts";
import { call, expectAllExercised, expectRefusal, succeed } from "./control-plane-contract.ts";

let hearth: Hearth;
/** The admin of an account that the operator made over HTTP. */
let admin: Target;

const acme = { account_id: "acme" };
const ofUser = (userId: string) => ({ ...acme, user_id: userId });

beforeAll(async () => {
  hearth = await startHearth();
  const account = { email: "owner@acme.example", displayName: "Acme" };
  expect((await send(hearth, "/v1/accounts?accountId=acme", { method: "POST", body: account })).status).toBe(
    200,
  );
  await succeed(hearth, "createUser", {
    params: acme,
    query: { userId: "owner" },
    body: { email: "owner@acme.example", role: "admin" },
  });
  const { key } = await succeed(hearth, "createUserApiKey", {
    params: ofUser("owner"),
    body: { apiKey: {} },
  });
  admin = { ...hearth, apiKey: key };
});

const names = (list: Json[]): string[] => list.map(({ name }) => name);

describe("accounts", () => {
  test("are visible to themselves and the operator, and the library's account to all", async () => {
    expect(names((await succeed(admin, "listAccounts")).accounts)).toEqual(["accounts/acme"]);
    expect(await succeed(admin, "getAccount", { params: acme })).toMatchObject({ displayName: "Acme" });
    await succeed(admin, "getAccount", { params: { account_id: "fireworks" } });
    expectRefusal(await call(admin, "getAccount", { params: { account_id: "local" } }), "NOT_FOUND", null);
    const all = names((await succeed(hearth, "listAccounts", { query: { pageSize: 200 } })).accounts);
    // The caller's own account comes first.
    expect(all).toEqual(["accounts/local", "accounts/acme", "accounts/fireworks"]);
  });
});

describe("users", () => {
  test("are created, read, listed, updated and deleted by an admin", async () => {
    const body = { email: "bob@acme.example", role: "inference-user", displayName: "Bob" };
    const bob = await succeed(admin, "createUser", { params: acme, body });
    expect(bob).toMatchObject({ name: "accounts/acme/users/bob", ...body });
    expect(await succeed(admin, "getUser", { params: ofUser("bob") })).toEqual(bob);
    const filter = 'role = "inference-user"';
    expect((await succeed(admin, "listUsers", { params: acme, query: { filter } })).users).toEqual([bob]);
    const patch = { params: ofUser("bob"), query: { updateMask: "role" }, body: { role: "user" } };
    expect((await succeed(admin, "updateUser", patch)).role).toBe("user");
    await succeed(admin, "deleteUser", { params: ofUser("bob") });
    expectRefusal(await call(admin, "getUser", { params: ofUser("bob") }), "NOT_FOUND", null);
  });

  test("include at least one admin of their account, and cannot make themselves an admin", async () => {
    expectRefusal(await call(admin, "deleteUser", { params: ofUser("owner") }), "FAILED_PRECONDITION", null);
    await succeed(admin, "createUser", { params: acme, query: { userId: "eve" }, body: { role: "user" } });
    const { key } = await succeed(admin, "createUserApiKey", { params: ofUser("eve"), body: { apiKey: {} } });
    const raise = { params: ofUser("eve"), body: { role: "admin" } };
    expectRefusal(await call({ ...hearth, apiKey: key }, "updateUser", raise), "PERMISSION_DENIED", null);
  });
});

describe("API keys", () => {
  test.each([
    ["account", "createApiKey", "listApiKeys", "deleteApiKey", acme],
    ["user", "createUserApiKey", "listUserApiKeys", "deleteUserApiKey", ofUser("owner")],
  ])(
    "created by the %s's path are shown once, authenticate, are listed and can be deleted",
    async (_path, create, list, remove, params) => {
      const apiKey = {
        displayName: "ci",
        expireTime: "2999-01-01T00:00:00Z",
        annotations: { team: "search" },
      };
      const { key, ...shown } = await succeed(admin, create, { params, body: { apiKey } });
      const own = { ...hearth, apiKey: key };
      expect((await send(own, "/verifyApiKey")).headers["x-fireworks-account-id"]).toBe("acme");
      const found = await succeed(own, list, { params, query: { filter: 'displayName = "ci"' } });
      expect(found.apiKeys).toEqual([shown]);
      const one = { ...ofUser("owner"), key_id: shown.keyId };
      expect(await succeed(admin, "getUserApiKey", { params: one })).toEqual(shown);
      await succeed(admin, remove, { params, body: { keyId: shown.keyId } });
      expectRefusal(await call(own, list, { params }), "UNAUTHENTICATED", null);
      expectRefusal(await call(admin, remove, { params, body: { keyId: shown.keyId } }), "NOT_FOUND", null);
    },
  );

  test("are refused like missing ones when they belong to another account", async () => {
    const { apiKeys } = await succeed(hearth, "listApiKeys", { params: { account_id: "local" } });
    const foreign = { params: { account_id: "local" }, body: { keyId: apiKeys[0].keyId } };
    expectRefusal(await call(admin, "deleteApiKey", foreign), "NOT_FOUND", null);
    expectRefusal(await call(admin, "deleteApiKey", { ...foreign, params: acme }), "NOT_FOUND", null);
  });
});

test("every operation of users and keys was exercised", () => {
  for (const tag of ["users", "apiKeys"]) expectAllExercised(tag);
});
