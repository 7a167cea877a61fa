import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";

const ACCOUNTS = "/v1/accounts";

let t: Tenants;
let admin: TestUser;

beforeAll(async () => {
  t = await startTenants();
  admin = await t.addUser("acme", "root", "admin");
  await t.addUser("evil", "mallory", "admin");
});
afterAll(() => t.close());

const alertsAt = (...monthlySpendThresholds: object[]) => ({
  email: "a@b.example",
  notificationSettings: { monthlySpendThresholds },
});

const namesOf = (reply: { json: { accounts: { name: string }[] } }) =>
  reply.json.accounts.map(({ name }) => name);

describe("reading accounts", () => {
  test("shows the own account and the library account, and answers NOT_FOUND for others", async () => {
    const ownAccount = await t.call(admin.key, "GET", `${ACCOUNTS}/acme`);
    expect(ownAccount.json).toEqual({
      name: "accounts/acme",
      displayName: "",
      createTime: "2026-01-01T00:00:00.000Z",
      accountType: "DEVELOPER",
      email: "",
      state: "READY",
      status: { code: "OK", message: "" },
      suspendState: "UNSUSPENDED",
      updateTime: "2026-01-01T00:00:00.000Z",
    });
    expect((await t.call(admin.key, "GET", `${ACCOUNTS}/fireworks`)).json.name).toBe("accounts/fireworks");
    expect((await t.call(admin.key, "GET", `${ACCOUNTS}/acme?readMask=name,state`)).json).toEqual({
      name: "accounts/acme",
      state: "READY",
    });
    const foreign = await t.call(admin.key, "GET", `${ACCOUNTS}/evil`);
    const missing = await t.call(admin.key, "GET", `${ACCOUNTS}/none`);
    expect([foreign.status, foreign.text]).toEqual([404, missing.text.replaceAll("none", "evil")]);
    expect(foreign.json.code).toBe(5);
  });

  test("lists the own account, and for the operator all accounts in pages, the operator's first", async () => {
    expect(namesOf(await t.call(admin.key, "GET", ACCOUNTS))).toEqual(["accounts/acme"]);
    expect(namesOf(await t.call(admin.key, "GET", `${ACCOUNTS}?filter=name="accounts/evil"`))).toEqual([]);
    const all = namesOf(await t.call(t.operator.key, "GET", ACCOUNTS));
    expect(all).toEqual(["accounts/local", "accounts/acme", "accounts/evil", "accounts/fireworks"]);
    const first = await t.call(t.operator.key, "GET", `${ACCOUNTS}?pageSize=1`);
    const token = first.json.nextPageToken;
    const second = await t.call(t.operator.key, "GET", `${ACCOUNTS}?pageSize=3&pageToken=${token}`);
    expect([...namesOf(first), ...namesOf(second)]).toEqual(all);
    expect((await t.call(admin.key, "GET", `${ACCOUNTS}?pageToken=${token}`)).status).toBe(400);
  });

  test("refuses orderBy", async () => {
    const response = await t.call(t.operator.key, "GET", `${ACCOUNTS}?orderBy=email`);
    expect(response.status).toBe(400);
    expect(response.text).toContain("orderBy");
  });
});

describe("creating accounts", () => {
  test("is possible for the operator, who also creates the first admin and a key for that admin", async () => {
    const body = { email: "owner@new.example", displayName: "New", accountType: "ENTERPRISE" };
    const made = await t.call(t.operator.key, "POST", `${ACCOUNTS}?accountId=new`, body);
    expect(made.json).toMatchObject({ name: "accounts/new", ...body });
    const user = { role: "admin", email: "owner@new.example" };
    expect((await t.call(t.operator.key, "POST", `${ACCOUNTS}/new/users?userId=owner`, user)).status).toBe(
      200,
    );
    const { json } = await t.call(t.operator.key, "POST", `${ACCOUNTS}/new/users/owner/apiKeys`, {
      apiKey: {},
    });
    expect((await t.call(json.key, "GET", `${ACCOUNTS}/new`)).json).toEqual(made.json);
    const colleague = { role: "user", email: "colleague@new.example" };
    expect((await t.call(json.key, "POST", `${ACCOUNTS}/new/users`, colleague)).status).toBe(200);
  });

  test("derives a missing id from the email address", async () => {
    const names: string[] = [];
    for (const email of ["Team@one.example", "team@two.example"]) {
      names.push((await t.call(t.operator.key, "POST", ACCOUNTS, { email })).json.name);
    }
    expect(names).toEqual(["accounts/team", expect.stringMatching(/^accounts\/team-[a-z0-9]{16}$/)]);
  });

  test("is forbidden for all others, even admins of the operator's account", async () => {
    const deputy = await t.addUser("local", "deputy", "admin");
    for (const user of [admin, deputy]) {
      const response = await t.call(user.key, "POST", `${ACCOUNTS}?accountId=mine`, { email: "a@b.example" });
      expect([response.status, response.json.code]).toEqual([403, 7]);
    }
  });

  test("answers 409 for a taken id, also for concurrent requests", async () => {
    const create = (id: string) =>
      t.call(t.operator.key, "POST", `${ACCOUNTS}?accountId=${id}`, { email: "a@b.example" });
    expect((await create("fireworks")).status).toBe(409);
    const both = await Promise.all([create("twice"), create("twice")]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  test.each([
    ["no address", {}, "email"],
    ["a broken address", { email: "x" }, "email"],
    ["an unknown type", { email: "a@b.example", accountType: "GOLD" }, "accountType"],
    ["a huge name", { email: "a@b.example", displayName: "x".repeat(64) }, "displayName"],
    ["an unknown field", { email: "a@b.example", admin: true }, "admin"],
    ["alerts in yen", alertsAt({ currencyCode: "JPY", units: "1" }), "currencyCode"],
    ["alerts without a currency", alertsAt({ units: "1" }), "currencyCode"],
    ["alerts at nothing", alertsAt({ currencyCode: "USD" }), "monthlySpendThresholds[0]"],
    ["alerts below nothing", alertsAt({ currencyCode: "USD", units: "-1" }), "monthlySpendThresholds[0]"],
    ["huge alerts", alertsAt({ currencyCode: "USD", units: "9".repeat(18) }), "monthlySpendThresholds[0]"],
    ["alerts with signs that differ", alertsAt({ currencyCode: "USD", units: "1", nanos: -1000 }), "nanos"],
    ["alerts at parts of micro-dollars", alertsAt({ currencyCode: "USD", nanos: 1 }), "nanos"],
    ["alerts in words", alertsAt({ currencyCode: "USD", units: "$5" }), "units"],
    [
      "too many alerts",
      alertsAt(...Array.from({ length: 21 }, () => ({ currencyCode: "USD", units: "1" }))),
      "Thresholds",
    ],
  ])("refuses %s with the name of the field", async (_case, body, field) => {
    const response = await t.call(t.operator.key, "POST", `${ACCOUNTS}?accountId=wrong`, body);
    expect([response.status, response.json.code]).toEqual([400, 3]);
    expect(response.text).toContain(field);
  });
});

describe("changing accounts", () => {
  const change = (user: TestUser, body: unknown, account = "acme", mask = "") =>
    t.call(user.key, "PATCH", `${ACCOUNTS}/${account}?updateMask=${mask}`, body);

  test("lets admins set the name, address and alert thresholds, and a mask reset them", async () => {
    const usd = (units: string, nanos: number) => ({ currencyCode: "USD", units, nanos });
    const notificationSettings = { monthlySpendThresholds: [usd("100", 0), usd("2", 500_000_000)] };
    await change(admin, { displayName: "Acme", email: "money@acme.example" });
    const changed = await change(admin, { notificationSettings });
    expect(changed.json).toMatchObject({
      name: "accounts/acme",
      displayName: "Acme",
      email: "money@acme.example",
      notificationSettings: { monthlySpendThresholds: [usd("2", 500_000_000), usd("100", 0)] },
    });
    expect(await t.accounts.spendThresholds()).toEqual(new Map([["acme", [2_500_000n, 100_000_000n]]]));
    // A client may send back an account as it read it.
    expect((await change(admin, changed.json)).json).toEqual(changed.json);
    const none = await change(admin, {}, "acme", "notification_settings,display_name");
    expect(none.json).toMatchObject({ displayName: "", email: "money@acme.example" });
    expect(none.json).not.toHaveProperty("notificationSettings");
  });

  test("is for admins, the type is for the operator, and output-only fields are ignored", async () => {
    const member = await t.addUser("acme", "bob", "user");
    expect((await change(member, { displayName: "x" })).status).toBe(403);
    expect((await change(admin, { accountType: "ENTERPRISE" })).status).toBe(403);
    expect((await change(t.operator, { accountType: "ENTERPRISE" })).json.accountType).toBe("ENTERPRISE");
    expect((await change(admin, { displayName: "x" }, "fireworks")).status).toBe(403);
    expect((await change(admin, { displayName: "x" }, "evil")).status).toBe(404);
    expect((await change(t.operator, { displayName: "x" }, "none")).status).toBe(404);
    expect((await change(t.operator, { displayName: "Operator" }, "local")).status).toBe(200);
    expect((await change(admin, { email: "" })).status).toBe(400);
    expect((await change(admin, { email: "x" })).status).toBe(400);
    expect((await change(admin, { suspendState: "UNSUSPENDED", state: "DELETING" })).json.state).toBe(
      "READY",
    );
  });
});

test("every path answers 401 without an API key", async () => {
  for (const [method, path] of [
    ["GET", ACCOUNTS],
    ["POST", ACCOUNTS],
    ["GET", `${ACCOUNTS}/acme`],
    ["PATCH", `${ACCOUNTS}/acme`],
    ["GET", `${ACCOUNTS}/fireworks`],
  ] as const) {
    expect((await t.call(null, method, path)).status).toBe(401);
  }
});
