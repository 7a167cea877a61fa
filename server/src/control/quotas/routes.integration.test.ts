import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import type { HttpResponse } from "../../../test/harness/http.ts";
import { AppError } from "../../lib/errors.ts";
import { createLimits } from "../../metering/limits/service.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { quotaRoutes } from "./routes.ts";
import { createQuotas, type QuotaSource, type Quotas } from "./service.ts";

const MAX_INT64 = "9223372036854775807";
const PATH = "/v1/accounts/acme/quotas";

let t: Tenants;
let quotas: Quotas;
let another: Quotas;
let admin: TestUser;
let user: TestUser;
let stranger: TestUser;
const accelerators = new Map<string, number>();
const spend: QuotaSource & { set: (bigint | null)[] } = {
  set: [],
  usageOf: async () => 12.5,
  maxOf: async (accountId) => (accountId === "acme" ? 500n : null),
  async onSet(_accountId, value) {
    this.set.push(value);
  },
};
let models = 0;

beforeAll(async () => {
  t = await startTenants(async (tenants) => {
    const deps = {
      ...tenants,
      log: silentLog,
      requestsPerMinute: 6_000,
      region: "EU_PARIS_1",
      existingKeys: tenants.keys.existing,
    };
    quotas = await createQuotas(deps);
    another = await createQuotas(deps);
    for (const service of [quotas, another]) {
      service.register("monthly-spend-usd", spend);
      service.register("models", { usageOf: async () => models });
      service.registerAccelerators(async () => accelerators);
    }
    return quotaRoutes(quotas);
  });
  admin = await t.addUser("acme", "ada", "admin");
  user = await t.addUser("acme", "uwe", "user");
  stranger = await t.addUser("other", "bob", "admin");
});
afterAll(async () => {
  await quotas.close();
  await another.close();
  await t.close();
});

const get = (id: string, caller = user): Promise<HttpResponse> => t.call(caller.key, "GET", `${PATH}/${id}`);
const patch = (id: string, body: object, caller = admin, query = ""): Promise<HttpResponse> =>
  t.call(caller.key, "PATCH", `${PATH}/${id}${query}`, body);

function refused(response: HttpResponse, status: number, words: string): void {
  expect(response.status, response.text).toBe(status);
  expect(response.text).toContain(words);
}

async function eventually(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("an account's quotas", () => {
  it("are listed with their usage, accelerators by type and region", async () => {
    accelerators.set("NVIDIA_H100_80GB", 3);
    const { json } = await t.call(user.key, "GET", `${PATH}?pageSize=200`);
    const byName = new Map(
      json.quotas.map((quota: { name: string }) => [quota.name.split("/").at(-1), quota]),
    );
    expect(json.totalSize).toBe(byName.size);
    expect(byName.get("nvidia-h100-80gb-eu-paris-1")).toEqual({
      name: "accounts/acme/quotas/nvidia-h100-80gb-eu-paris-1",
      value: "8",
      maxValue: "8",
      usage: 3,
      updateTime: expect.any(String),
    });
    expect(byName.get("amd-mi300x-192gb-eu-paris-1")).toMatchObject({ value: "8", usage: 0 });
    expect(byName.get("loras")).toMatchObject({ value: "100", maxValue: "100" });
    expect(byName.get("gpu-hours-per-month")).toMatchObject({ value: "2000" });
    expect(byName.get("monthly-spend-usd")).toMatchObject({ value: "500", usage: 12.5 });
    expect(byName.get("requests-per-minute")).toMatchObject({ value: "6000" });
  });

  it("are filtered, ordered and paged", async () => {
    const filter = encodeURIComponent('name: "per-minute" AND value >= 100');
    const { json } = await t.call(user.key, "GET", `${PATH}?filter=${filter}&orderBy=value%20desc`);
    expect(json.quotas.map(({ name }: { name: string }) => name)).toEqual([
      "accounts/acme/quotas/requests-per-minute",
    ]);
    const first = await t.call(user.key, "GET", `${PATH}?pageSize=2`);
    const rest = await t.call(user.key, "GET", `${PATH}?pageSize=2&pageToken=${first.json.nextPageToken}`);
    expect(rest.json.quotas[0].name > first.json.quotas[1].name).toBe(true);
  });

  it("answer NOT_FOUND for other accounts", async () => {
    for (const path of [PATH, `${PATH}/loras`]) {
      const foreign = await t.call(stranger.key, "GET", path);
      refused(foreign, 404, "not found");
      const missing = await t.call(stranger.key, "GET", path.replace("acme", "nobody"));
      expect(missing.text.replace("nobody", "acme")).toBe(foreign.text);
    }
    refused(await patch("loras", { value: "1" }, stranger), 404, "not found");
    refused(await t.call(null, "GET", PATH), 401, "");
    refused(await t.call(t.operator.key, "GET", "/v1/accounts/nobody/quotas"), 404, "not found");
    refused(await get("none"), 404, "not found");
  });
});

describe("a change of a quota", () => {
  it("lowers the value and raises it again up to the maximum, in every gateway", async () => {
    expect((await patch("loras", { value: "7" })).json).toMatchObject({ value: "7", maxValue: "100" });
    expect(quotas.valueOf("acme", "loras")).toBe(7);
    await eventually(() => another.valueOf("acme", "loras") === 7);
    expect(quotas.valueOf("other", "loras")).toBe(100);
    refused(await patch("loras", { value: "101" }), 400, "maxValue");
    // A client may send back a quota as it read it.
    expect((await patch("loras", (await get("loras")).json)).status).toBe(200);
    expect((await patch("loras", {}, admin, "?updateMask=value")).json).toMatchObject({ value: "100" });
  });

  it("is for admins, and a change of the maximum for the operator", async () => {
    refused(await patch("loras", { value: "1" }, user), 403, "role");
    refused(await patch("loras", { maxValue: "1000" }), 403, "operator");
    const raised = await patch("loras", { maxValue: "1000" }, t.operator);
    expect(raised.json).toMatchObject({ value: "1000", maxValue: "1000" });
    expect((await patch("loras", { value: "900" })).json.value).toBe("900");
    // A maximum below the value lowers the limit in force.
    expect((await patch("loras", { maxValue: "5" }, t.operator)).json).toMatchObject({ value: "5" });
    await patch("loras", {}, t.operator, "?updateMask=value,max_value");
    expect((await get("loras")).json).toMatchObject({ value: "100", maxValue: "100" });
  });

  it.each(["-1", "9223372036854775808", "-9223372036854775809", "1.5", "$50", "", "1e3"])(
    "to %j is refused with the name of the field",
    async (value) => {
      refused(await patch("monthly-spend-usd", { value }), 400, "value");
      refused(await patch("monthly-spend-usd", { maxValue: value }, t.operator), 400, "maxValue");
    },
  );

  it("is bounded by the tier for the spending limit, and is passed on to billing", async () => {
    refused(await patch("monthly-spend-usd", { value: "501" }), 400, "at most maxValue, 500");
    refused(await patch("monthly-spend-usd", { maxValue: "501" }, t.operator), 400, "account's tier");
    await patch("monthly-spend-usd", { value: "20" });
    await patch("monthly-spend-usd", { value: "0" });
    await patch("monthly-spend-usd", {}, admin, "?updateMask=value");
    expect(spend.set).toEqual([20n, 0n, null]);
    const unlimited = await t.call(stranger.key, "GET", "/v1/accounts/other/quotas/monthly-spend-usd");
    expect(unlimited.json.maxValue).toBe(MAX_INT64);
  });
});

describe("a request limit", () => {
  it("applies to the account or to a single key", async () => {
    const limits = await createLimits({ clock: t.clock });
    quotas.onChange(() => limits.setRequestLimits(quotas.requestLimits()));
    const { keyId } = admin.principal;
    refused(await patch(`requests-per-minute-key-${keyId}`, { value: "1" }), 404, "not found");
    const made = await patch(`requests-per-minute-key-${keyId}`, { value: "1" }, admin, "?allowMissing=true");
    expect(made.json).toMatchObject({ value: "1", maxValue: "6000" });
    await patch("requests-per-minute", { value: "2" });
    const model = "accounts/fireworks/models/m";
    const admit = (id: string) =>
      limits.admit(
        { accountId: "acme", keyId: id },
        { model, deployment: model, isolation: "account" },
        { n: 1, bodySizeBytes: 0, maxTokens: 1 },
      );
    admit(keyId);
    expect(() => admit(keyId)).toThrow("The API key may make 1");
    admit("key-of-another");
    expect(() => admit("key-of-another")).toThrow("The account may make 2");
    const bob = await t.addUser("acme", "bob", "user");
    const ofBob = `requests-per-minute-key-${bob.principal.keyId}`;
    expect((await patch(ofBob, { value: "5" }, admin, "?allowMissing=true")).json.value).toBe("5");
    await t.keys.delete(t.operator.principal, "acme", "bob", bob.principal.keyId);
    refused(await get(ofBob), 404, "not found");
    await patch(`requests-per-minute-key-${keyId}`, {}, admin, "?updateMask=value");
    await patch("requests-per-minute", {}, admin, "?updateMask=value");
    expect(quotas.requestLimits().get("acme")).toBeUndefined();
    refused(await patch("requests-per-minute-key-", { value: "1" }, admin, "?allowMissing=true"), 404, "");
    const ghost = "requests-per-minute-key-none";
    refused(await patch(ghost, { value: "1" }, admin, "?allowMissing=true"), 404, "not found");
    const foreign = `requests-per-minute-key-${stranger.principal.keyId}`;
    refused(await patch(foreign, { value: "1" }, admin, "?allowMissing=true"), 404, "not found");
    refused(await patch("anything", { value: "1" }, admin, "?allowMissing=true"), 404, "");
  });
});

describe("usage within a quota", () => {
  const make = (_: unknown = null, i = 0) =>
    (i % 2 === 0 ? quotas : another).within("acme", "models", 1, async () => {
      const before = models;
      await t.database.sql`select 1`;
      models = before + 1;
      return models;
    });

  it("never exceeds the quota, even with concurrent creations on two gateways, and failures don't count", async () => {
    await patch("models", { value: "3" });
    const all = await Promise.allSettled(Array.from({ length: 40 }, make));
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    expect(models).toBe(3);
    await expect(make()).rejects.toMatchObject({
      code: "RATE_LIMIT_EXCEEDED",
      message: expect.stringContaining("quotas/models is 3"),
    });
    models = 2;
    const failing = quotas.within("acme", "models", 1, async () => {
      throw new AppError("UNAVAILABLE", "no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await make()).toBe(3);
  });

  it("is checked without occupying all database connections", async () => {
    const made = Array.from({ length: 30 }, (_, i) =>
      quotas.within(`many-${i}`, "models", 1, async () => t.database.sql`select 1`),
    );
    expect(await Promise.all(made)).toHaveLength(30);
  });

  it("is checked against a limit that another gateway has just set", async () => {
    models = 5;
    const set = { value: "6" };
    await another.update(admin.principal, "acme", "models", { updateMask: "value" }, set);
    expect(await make()).toBe(6);
    await expect(make()).rejects.toMatchObject({ code: "RATE_LIMIT_EXCEEDED" });
  });

  it("includes the accelerators of the account's other deployments", async () => {
    const hold = (count: number, others: number) =>
      quotas.withinAccelerators(
        "acme",
        "NVIDIA_H100_80GB",
        count,
        async () => others,
        async () => "made",
      );
    expect(await hold(3, 5)).toBe("made");
    await expect(hold(4, 5)).rejects.toMatchObject({ code: "RATE_LIMIT_EXCEEDED" });
  });
});
