import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../../test/harness/database.ts";
import {
  createUsageLedger,
  type UsageLedger,
  type UsageSource,
  usageReports,
} from "../../metering/usage/service.ts";
import { startTenants, type Tenants, type TestUser } from "../api-keys/testing.ts";
import { csvLine } from "./csv.ts";
import { usageRoutes } from "./routes.ts";
import { createUsage } from "./service.ts";

const JULY = Date.UTC(2025, 6, 1);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RANGE = "startTime=2025-07-01T00:00:00Z&endTime=2025-08-01T00:00:00Z";
const USAGE = "/v1/accounts/acme/usage";

let tenants: Tenants;
let ledger: UsageLedger;
let folder: string;
let alice: TestUser;
let mallory: TestUser;
let ids = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hearth-usage-api-"));
  tenants = await startTenants(({ database, clock, tokenSecret }) =>
    usageRoutes(createUsage({ reports: usageReports(database), clock, tokenSecret })),
  );
  alice = await tenants.addUser("acme", "alice", "user");
  mallory = await tenants.addUser("evil", "mallory", "admin");
  const prices = {
    priceOf: () => ({ input: 2n, cachedInput: 1n, output: 3n, quantity: 1n, per: 1n }),
  };
  const { database, clock } = tenants;
  ledger = createUsageLedger({ database, clock, log: silentLog, folder, prices });
  await use({ model: "m1", startedAtMs: JULY, promptTokens: 10, cachedTokens: 4, completionTokens: 1 });
  await use({ model: "m1", startedAtMs: JULY + HOUR_MS });
  await use({ model: "m2", startedAtMs: JULY + DAY_MS, userId: "bob", keyId: "k2" });
  // The last moment of one month and the first of the next.
  await use({ model: "m2", startedAtMs: JULY + 31 * DAY_MS - 1 });
  await use({ model: "m2", startedAtMs: JULY + 31 * DAY_MS });
  await use({ model: "m2", startedAtMs: JULY - 1 });
  const time = { deployment: "accounts/acme/deployments/d", kind: "gpu_seconds", promptTokens: 0 } as const;
  await use({ ...time, model: "m3", quantity: 60_250, startedAtMs: JULY });
  await use({ accountId: "evil", model: "=1+1", userId: "mallory", startedAtMs: JULY });
  await ledger.flush();
});
afterAll(async () => {
  await ledger.shutDown();
  await tenants.close();
  rmSync(folder, { recursive: true, force: true });
});

async function use(changes: Partial<UsageSource>): Promise<void> {
  const request: UsageSource = {
    id: (++ids).toString(16).padStart(32, "0"),
    accountId: "acme",
    keyId: "k1",
    userId: "alice",
    endpoint: "chat.completions",
    model: "m",
    deployment: "",
    kind: "text",
    pricedAs: "m",
    replica: null,
    promptTokens: 1,
    cachedTokens: 0,
    completionTokens: 0,
    quantity: 0,
    timeToFirstTokenMs: null,
    startedAtMs: JULY,
    ...changes,
  };
  ledger.open(request);
  await new Promise<void>((resolve) =>
    ledger.close(request, { outcome: "ok", status: 200, durationMs: 1 }, resolve),
  );
}

interface Page {
  usage: Record<string, string>[];
  total: Record<string, string>;
  nextPageToken: string;
  totalSize: number;
  startTime: string;
  endTime: string;
}

async function queryUsage(query: string, user = alice, path = USAGE): Promise<Page> {
  const response = await tenants.call(user.key, "GET", `${path}?${query}`);
  expect(response.status, response.text).toBe(200);
  return response.json as Page;
}

describe("usage over REST", () => {
  test("sums the account's usage in the range exactly", async () => {
    const page = await queryUsage(RANGE);
    const figures = {
      requests: "4",
      promptTokens: "13",
      cachedPromptTokens: "4",
      generatedTokens: "1",
      audioSeconds: "0",
      images: "0",
      acceleratorSeconds: "60.25",
      cpuSeconds: "0",
      trainingTokens: "0",
      cost: "0.060275",
    };
    expect(page).toEqual({
      usage: [figures],
      total: figures,
      nextPageToken: "",
      totalSize: 1,
      startTime: "2025-07-01T00:00:00Z",
      endTime: "2025-08-01T00:00:00Z",
    });
  });

  test("returns groups in order with the values of their dimensions", async () => {
    const page = await queryUsage(`${RANGE}&groupBy=model&groupBy=day`);
    expect(page.usage.map(({ model, day, requests }) => [model, day, requests])).toEqual([
      ["m1", "2025-07-01T00:00:00Z", "2"],
      ["m2", "2025-07-02T00:00:00Z", "1"],
      ["m2", "2025-07-31T00:00:00Z", "1"],
      ["m3", "2025-07-01T00:00:00Z", "0"],
    ]);
    const hours = await queryUsage(`${RANGE}&groupBy=hour&groupBy=user&groupBy=key&filter=model=m1`);
    expect(hours.usage).toMatchObject([
      { hour: "2025-07-01T00:00:00Z", user: "accounts/acme/users/alice", key: "k1" },
      { hour: "2025-07-01T01:00:00Z", user: "accounts/acme/users/alice", key: "k1" },
    ]);
  });

  test("counts the exact hours of a range that begins and ends within days", async () => {
    const cut = "startTime=2025-07-01T01:00:00Z&endTime=2025-07-31T23:00:00Z&groupBy=model";
    const page = await queryUsage(cut);
    expect(page.usage.map(({ model, requests }) => [model, requests])).toEqual([
      ["m1", "1"],
      ["m2", "1"],
    ]);
    const inADay = await queryUsage("startTime=2025-07-01T00:00:00%2B00:00&endTime=2025-07-01T01:00:00Z");
    expect(inADay.total["requests"]).toBe("1");
  });

  test("returns pages without gaps, each with the total of all groups", async () => {
    const query = `${RANGE}&groupBy=model&groupBy=hour&pageSize=2`;
    const first = await queryUsage(query);
    const second = await queryUsage(`${query}&pageToken=${first.nextPageToken}`);
    const third = await queryUsage(`${query}&pageToken=${second.nextPageToken}`);
    const all = [first, second, third].flatMap((page) =>
      page.usage.map((row) => `${row["model"]} ${row["hour"]}`),
    );
    const whole = await queryUsage(`${RANGE}&groupBy=model&groupBy=hour`);
    expect(all).toEqual(whole.usage.map((row) => `${row["model"]} ${row["hour"]}`));
    expect([first.totalSize, second.totalSize, third.totalSize]).toEqual([5, 5, 5]);
    expect(third.total).toEqual(first.total);
    expect(third.nextPageToken).toBe("");
    const elsewhere = await tenants.call(
      alice.key,
      "GET",
      `${USAGE}?${RANGE}&groupBy=model&pageToken=${first.nextPageToken}`,
    );
    expect([elsewhere.status, elsewhere.text]).toEqual([400, expect.stringContaining("pageToken")]);
  });

  test("answers NOT_FOUND for another account, and shows the operator each account and all together", async () => {
    const foreign = await tenants.call(mallory.key, "GET", `${USAGE}?${RANGE}`);
    const missing = await tenants.call(mallory.key, "GET", `/v1/accounts/nobody/usage?${RANGE}`);
    expect([foreign.status, missing.status]).toEqual([404, 404]);
    const all = `${RANGE}&groupBy=account&allAccounts=true`;
    expect((await tenants.call(alice.key, "GET", `${USAGE}?${all}`)).status).toBe(403);
    expect((await tenants.call(null, "GET", `${USAGE}?${RANGE}`)).status).toBe(401);
    const page = await queryUsage(all, tenants.operator);
    expect(page.usage.map(({ account, requests }) => [account, requests])).toEqual([
      ["accounts/acme", "4"],
      ["accounts/evil", "1"],
    ]);
    expect((await queryUsage(RANGE, tenants.operator)).total["requests"]).toBe("4");
  });

  test.each([
    ["startTime", "startTime=yesterday"],
    ["startTime", "startTime=2025-07-01T00:30:00Z"],
    ["endTime", "endTime=2025-07-01T00:00:00.5Z"],
    ["startTime", "startTime=2025-08-01T00:00:00Z&endTime=2025-07-01T00:00:00Z"],
    ["startTime", "startTime=2024-01-01T00:00:00Z&endTime=2025-12-01T00:00:00Z"],
    ["groupBy", `${RANGE}&groupBy=colour`],
    ["groupBy", `${RANGE}&groupBy=model&groupBy=model`],
    ["filter", `${RANGE}&filter=colour=red`],
    ["filter", `${RANGE}&filter=kind=air`],
    ["pageSize", `${RANGE}&pageSize=-1`],
    ["pageToken", `${RANGE}&pageToken=x`],
  ])("refuses a bad %s with its name: %s", async (param, query) => {
    const response = await tenants.call(alice.key, "GET", `${USAGE}?${query}`);
    expect([response.status, response.text]).toEqual([400, expect.stringContaining(param)]);
  });

  test("reports on this month so far by default", async () => {
    expect(await queryUsage("")).toMatchObject({
      startTime: "2026-01-01T00:00:00Z",
      endTime: "2026-01-01T01:00:00Z",
      total: { requests: "0", cost: "0.00" },
    });
  });
});

describe("usage as CSV", () => {
  test("has one complete line for each group", async () => {
    const response = await tenants.call(alice.key, "GET", `${USAGE}:export?${RANGE}&groupBy=model`);
    expect(response.status).toBe(200);
    expect(response.text.split("\r\n")).toEqual([
      "model,requests,promptTokens,cachedPromptTokens,generatedTokens,audioSeconds,images,acceleratorSeconds,cpuSeconds,trainingTokens,cost",
      "m1,2,11,4,1,0,0,0,0,0,0.000021",
      "m2,2,2,0,0,0,0,0,0,0,0.000004",
      "m3,0,0,0,0,0,0,60.25,0,0,0.06025",
      "",
    ]);
  });

  test("escapes formulas for spreadsheet programs, and quotes separators", async () => {
    const response = await tenants.call(
      mallory.key,
      "GET",
      `/v1/accounts/evil/usage:export?${RANGE}&groupBy=model`,
    );
    expect(response.text.split("\r\n")[1]).toMatch(/^'=1\+1,1,/);
    expect(["+1", "-1", "@x", "\tx", "\rx", 'a"b', "a,b"].map((cell) => csvLine([cell]))).toEqual(
      ["'+1", "'-1", "'@x", "'\tx", `"'\rx"`, '"a""b"', '"a,b"'].map((cell) => `${cell}\r\n`),
    );
  });

  test("is refused while too many exports run, and available again afterwards", async () => {
    const usage = createUsage({
      reports: usageReports(tenants.database),
      clock: tenants.clock,
      tokenSecret: tenants.tokenSecret,
    });
    const query = { startTime: "2025-07-01T00:00:00Z", groupBy: ["model" as const] };
    const begin = async () => (await usage.export(alice.principal, "acme", query))[Symbol.asyncIterator]();
    const running = [await begin()];
    await running[0]!.next();
    running.push(await begin());
    await running[1]!.next();
    await expect(begin()).rejects.toMatchObject({ code: "RATE_LIMIT_EXCEEDED", retryAfterS: 5 });
    for (const exportRun of running) await exportRun.return?.();
    const last = await begin();
    await last.next();
    await last.return?.();
  });
});
