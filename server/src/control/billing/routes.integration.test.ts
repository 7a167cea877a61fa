import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import { type Billing, createBilling } from "../../metering/billing/service.ts";
import { FakeUsage } from "../../metering/billing/testing.ts";
import { defineRoute, type ResourceRoute, type SuspensionPolicy } from "../../platform/http/resources.ts";
import { authorize } from "../accounts/service.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { billingRoutes } from "./routes.ts";
import { BillingService, spendQuota, suspensionCheck } from "./service.ts";

const ACCOUNT = "/v1/accounts/acme";
const DAY_MS = 24 * 3_600_000;
const DOLLAR = 1_000_000n;

/** A route that stands for the routes of all resources of an account. */
function stubRoute(
  operationId: string,
  method: "POST" | "PATCH" | "DELETE",
  whenSuspended: SuspensionPolicy,
  path: string,
): ResourceRoute {
  return defineRoute({
    operationId,
    method,
    whenSuspended,
    path,
    async handle({ principal, params }) {
      authorize(principal, params["account_id"]!, "write", "Account");
      return {};
    },
  });
}

let t: Tenants;
let billing: Billing;
let use: (accountId: string, costMicros: bigint) => Promise<void>;
let admin: TestUser;
let member: TestUser;
let stranger: TestUser;

beforeAll(async () => {
  t = await startTenants(
    async ({ database, clock, tokenSecret, accounts }) => {
      const usage = new FakeUsage().gateway(clock);
      const { suspensions } = accounts;
      billing = createBilling({
        database,
        clock,
        log: silentLog,
        enabled: true,
        usage,
        suspensions,
        spendThresholds: accounts.spendThresholds,
        tokenSecret,
      });
      await billing.start();
      use = async (accountId, costMicros) => {
        usage.close(accountId, costMicros);
        await usage.flush();
      };
      return [
        ...billingRoutes(new BillingService({ billing, accounts })),
        stubRoute("createThing", "POST", "refuse", "/v1/accounts/{account_id}/things"),
        stubRoute("cancelThing", "POST", "allow", "/v1/accounts/{account_id}/things/{thing_id}:cancel"),
        stubRoute("updateThing", "PATCH", "allow", "/v1/accounts/{account_id}/things/{thing_id}"),
        stubRoute("deleteThing", "DELETE", "allow", "/v1/accounts/{account_id}/things/{thing_id}"),
      ];
    },
    () => ({ refuseSuspended: suspensionCheck(billing.check) }),
  );
  admin = await t.addUser("acme", "root", "admin");
  member = await t.addUser("acme", "bob", "user");
  stranger = await t.addUser("evil", "mallory", "admin");
});
afterAll(async () => {
  await billing.close();
  await t.close();
});

const recordEntry = (what: string, body: unknown, user = t.operator) =>
  t.call(user.key, "POST", `${ACCOUNT}/${what}`, body);
const summary = async () => (await t.call(admin.key, "GET", `${ACCOUNT}/billing`)).json;

describe("billing over REST", () => {
  test("applies $500 of credits to a debt of $750, so that $250 are owed, and shows that in the transaction", async () => {
    await use("acme", 750n * DOLLAR);
    t.clock.advance(3_600_000);
    await billing.runCycle();
    expect(await summary()).toMatchObject({
      name: "accounts/acme/billing",
      enabled: true,
      tier: "TIER_1",
      monthToDateUsd: "750.00",
      spendLimitUsd: "50.00",
      outstandingBalanceUsd: "750.00",
      suspendState: "MONTHLY_SPEND_LIMIT_EXCEEDED",
      spendAlerts: [{ percent: 100 }, { percent: 80 }, { percent: 50, spentUsd: "750.00" }],
    });
    t.clock.advance(1_000);
    const receipt = await recordEntry("credits", { amountUsd: "500", reference: "bank 17", requestId: "r1" });
    expect(receipt.json).toMatchObject({
      name: expect.stringMatching(/^accounts\/acme\/credits\/[0-9a-f]{32}$/),
      kind: "credit_purchase",
      amountUsd: "500.00",
      appliedToBalanceUsd: "500.00",
      addedToCreditsUsd: "0.00",
      reference: "bank 17",
      createdBy: "accounts/local/users/operator",
    });
    expect(await summary()).toMatchObject({
      tier: "TIER_3",
      outstandingBalanceUsd: "250.00",
      creditBalanceUsd: "0.00",
      suspendState: "UNSUSPENDED",
    });
    expect((await t.call(admin.key, "GET", `/v1/${receipt.json.name}`)).json).toEqual(receipt.json);
  });

  test("issues an invoice with the usage after each month, and a payment settles it", async () => {
    t.clock.advance(32 * DAY_MS);
    await billing.runCycle();
    const listed = (await t.call(admin.key, "GET", `${ACCOUNT}/invoices`)).json;
    expect(listed).toMatchObject({ totalSize: 1, invoices: [{ state: "OPEN", amountDueUsd: "250.00" }] });
    await recordEntry("payments", { amountUsd: "250.00" });
    const invoice = await t.call(admin.key, "GET", `${ACCOUNT}/invoices/2026-01`);
    expect(invoice.json).toMatchObject({
      name: "accounts/acme/invoices/2026-01",
      state: "PAID",
      totalUsd: "750.00",
      paidUsd: "750.00",
      lines: [
        {
          kind: "text",
          subject: "accounts/fireworks/models/m",
          month: "2026-01-01T00:00:00.000Z",
          amountUsd: "750.00",
        },
      ],
    });
    const { transactions } = (await t.call(admin.key, "GET", `${ACCOUNT}/transactions`)).json;
    expect(transactions.map(({ kind }: { kind: string }) => kind)).toEqual([
      "payment",
      "credit_purchase",
      "usage",
    ]);
  });

  test("records an entry with the same requestId once, also for concurrent requests", async () => {
    const body = { amountUsd: "1.000001", granted: true, requestId: "same" };
    const [one, two] = await Promise.all([recordEntry("credits", body), recordEntry("credits", body)]);
    expect(one.json.name).toBe(two.json.name);
    expect((await summary()).creditBalanceUsd).toBe("1.000001");
    expect((await recordEntry("credits", { ...body, amountUsd: "2" })).status).toBe(409);
    expect(
      (await recordEntry("adjustments", { amountUsd: "1.000001", description: "A mistake" })).status,
    ).toBe(200);
    expect(await summary()).toMatchObject({ creditBalanceUsd: "0.00", outstandingBalanceUsd: "0.00" });
  });

  test("lets the operator set a tier and reset it", async () => {
    const set = (tier: string | null) => t.call(t.operator.key, "PATCH", `${ACCOUNT}/billing`, { tier });
    const { json } = await set("UNLIMITED");
    expect([json.tier, json.spendLimitUsd]).toEqual(["UNLIMITED", undefined]);
    expect((await set(null)).json.tier).toBe("TIER_3");
  });

  test("takes the account's spending limit from the quota, in whole dollars", async () => {
    const quota = spendQuota(billing);
    expect(await quota.maxOf("acme")).toBe(5_000n);
    await quota.onSet("acme", 7n);
    expect((await summary()).spendLimitUsd).toBe("7.00");
    await quota.onSet("acme", 2n ** 63n - 1n);
    expect((await summary()).spendLimitUsd).toBe("5000.00");
    await quota.onSet("acme", 8n);
    await quota.onSet("acme", null);
    expect((await summary()).spendLimitUsd).toBe("5000.00");
    expect(await quota.usageOf("acme")).toBe(0);
  });
});

describe("suspension", () => {
  const set = (body: object, user = t.operator) => t.call(user.key, "PATCH", `${ACCOUNT}/billing`, body);
  const stateOf = async () => (await t.call(member.key, "GET", ACCOUNT)).json.suspendState;

  test("by the operator lasts until the operator ends it, and refuses new work meanwhile", async () => {
    const blocked = await set({ suspendState: "BLOCKED_BY_ABUSE_RULE" });
    expect(blocked.json.suspendState).toBe("BLOCKED_BY_ABUSE_RULE");
    await recordEntry("payments", { amountUsd: "100" });
    expect(await stateOf()).toBe("BLOCKED_BY_ABUSE_RULE");
    const things = `${ACCOUNT}/things`;
    const refused = await t.call(member.key, "POST", things);
    expect([refused.status, refused.json.code]).toEqual([402, 8]);
    expect(refused.json.message).toBe("The account is suspended by the operator of the platform.");
    expect((await t.call(t.operator.key, "POST", things)).status).toBe(402);
    expect((await t.call(stranger.key, "POST", things)).status).toBe(404);
    for (const [method, path] of [
      ["POST", `${things}/a:cancel`],
      ["PATCH", `${things}/a`],
      ["DELETE", `${things}/a`],
    ] as const) {
      expect((await t.call(member.key, method, path)).status, path).toBe(200);
    }
    // A change of other terms, or the present state sent back, leaves the account suspended.
    expect((await set({ tier: null })).json.suspendState).toBe("BLOCKED_BY_ABUSE_RULE");
    expect((await set({ suspendState: await stateOf() })).json.suspendState).toBe("BLOCKED_BY_ABUSE_RULE");
    expect((await set({ suspendState: null })).json.suspendState).toBe("UNSUSPENDED");
    expect((await t.call(member.key, "POST", things)).status).toBe(200);
    for (const suspendState of ["FAILED_PAYMENTS", "CREDIT_DEPLETED", "blocked", ""]) {
      const response = await set({ suspendState });
      expect([response.status, response.text.includes("suspendState")]).toEqual([400, true]);
    }
  });

  test("for used-up credits affects prepaid accounts only and ends with new credits", async () => {
    await recordEntry("adjustments", { amountUsd: (await summary()).creditBalanceUsd });
    const prepaid = await set({ paymentTerms: "PREPAID" });
    expect(prepaid.json).toMatchObject({ paymentTerms: "PREPAID", suspendState: "CREDIT_DEPLETED" });
    expect((await t.call(member.key, "POST", `${ACCOUNT}/things`)).status).toBe(402);
    await recordEntry("credits", { amountUsd: "2" });
    expect(await stateOf()).toBe("UNSUSPENDED");
    await use("acme", 2n * DOLLAR);
    await billing.runCycle();
    expect(await stateOf()).toBe("CREDIT_DEPLETED");
    expect((await set({ paymentTerms: null })).json).toMatchObject({
      paymentTerms: "POSTPAID",
      suspendState: "UNSUSPENDED",
    });
    expect((await set({ paymentTerms: "LATER" })).status).toBe(400);
  });

  test("at the monthly limit ends by itself with the month", async () => {
    await billing.setTerms("acme", { spendLimitMicros: DOLLAR });
    expect(await stateOf()).toBe("MONTHLY_SPEND_LIMIT_EXCEEDED");
    t.clock.advance(31 * DAY_MS);
    await billing.runCycle();
    expect(await stateOf()).toBe("UNSUSPENDED");
    await billing.setTerms("acme", { spendLimitMicros: null });
  });

  test("is preceded by alerts at percentages of the limit and at the thresholds of an admin", async () => {
    const monthlySpendThresholds = [{ currencyCode: "USD", units: "1", nanos: 500_000_000 }];
    await t.call(admin.key, "PATCH", ACCOUNT, { notificationSettings: { monthlySpendThresholds } });
    await use("acme", 1_500_000n);
    await billing.runCycle();
    const [newest] = (await summary()).spendAlerts;
    expect(newest).toMatchObject({ thresholdUsd: "1.50", spentUsd: "1.50", limitUsd: "5000.00" });
    expect(newest).not.toHaveProperty("percent");
  });
});

describe("input of billing", () => {
  test.each([
    ["a negative amount", { amountUsd: "-5" }, "amountUsd"],
    ["nothing", { amountUsd: "0.00" }, "amountUsd"],
    ["a huge amount", { amountUsd: "1000000000" }, "amountUsd"],
    ["a currency", { amountUsd: "$5" }, "amountUsd"],
    ["an exponent", { amountUsd: "1e3" }, "amountUsd"],
    ["too many decimals", { amountUsd: "0.0000001" }, "amountUsd"],
    ["a number", { amountUsd: 5 }, "amountUsd"],
    ["no amount", {}, "amountUsd"],
    ["a request id with spaces", { amountUsd: "5", requestId: "a b" }, "requestId"],
    ["a huge text", { amountUsd: "5", description: "x".repeat(501) }, "description"],
    ["control characters", { amountUsd: "5", reference: "a\u0001" }, "reference"],
    ["card data", { amountUsd: "5", cardNumber: "4111111111111111" }, "cardNumber"],
  ])("is refused for %s with the name of the field, and nothing is recorded", async (_case, body, field) => {
    const before = await summary();
    for (const what of ["payments", "credits", "adjustments"]) {
      const response = await recordEntry(what, body);
      expect([response.status, response.json.code]).toEqual([400, 3]);
      expect(response.text).toContain(field);
    }
    expect(await summary()).toEqual(before);
  });

  test("is accepted only from the operator, and only admins of the account may read", async () => {
    for (const path of [
      "billing",
      "payments",
      "credits",
      "adjustments",
      "transactions",
      "invoices",
      "invoices/2026-01",
    ]) {
      expect((await t.call(null, "GET", `${ACCOUNT}/${path}`)).status).toBe(401);
      expect((await t.call(member.key, "GET", `${ACCOUNT}/${path}`)).status).toBe(403);
      expect((await t.call(stranger.key, "GET", `${ACCOUNT}/${path}`)).status).toBe(404);
      expect((await t.call(t.operator.key, "GET", `/v1/accounts/none/${path}`)).status).toBe(404);
    }
    for (const what of ["payments", "credits", "adjustments"]) {
      expect((await recordEntry(what, { amountUsd: "5" }, admin)).status).toBe(403);
      expect((await recordEntry(what, { amountUsd: "5" }, stranger)).status).toBe(404);
      expect((await t.call(admin.key, "GET", `${ACCOUNT}/${what}/none`)).status).toBe(404);
    }
    for (const terms of [{ tier: "UNLIMITED" }, { paymentTerms: "POSTPAID" }, { suspendState: null }]) {
      expect((await t.call(admin.key, "PATCH", `${ACCOUNT}/billing`, terms)).status).toBe(403);
    }
    expect((await t.call(admin.key, "GET", `${ACCOUNT}/invoices/none`)).status).toBe(404);
  });
});
