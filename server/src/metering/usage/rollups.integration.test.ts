import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock } from "../../lib/clock.ts";
import { type Prices, USAGE_KINDS } from "../money/service.ts";
import { encodeUsage } from "./record.ts";
import { createUsageLedger, type UsageLedger, type UsageSource, usageReports } from "./service.ts";
import { usageStore } from "./store.ts";

let database: TestDatabase;
let root: string;
let folders = 0;
beforeAll(async () => {
  database = await testDatabase();
  root = mkdtempSync(join(tmpdir(), "hearth-rollups-"));
});
afterAll(async () => {
  await database.drop();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => database.sql`truncate usage_records, usage_hourly, usage_daily`.then(() => {}));

const MIGRATION = new URL("../../../migrations/0008_usage_rollups.sql", import.meta.url);
const NEW_YEAR = Date.UTC(2026, 0, 1);

let ids = 0;
function source(changes: Partial<UsageSource> = {}): UsageSource {
  return {
    id: (++ids).toString(16).padStart(32, "0"),
    accountId: "acme",
    keyId: "key1",
    userId: "alice",
    endpoint: "chat.completions",
    model: "accounts/fireworks/models/tiny",
    deployment: "",
    kind: "text",
    pricedAs: "accounts/fireworks/models/tiny",
    replica: null,
    promptTokens: 1_000,
    cachedTokens: 400,
    completionTokens: 100,
    quantity: 0,
    timeToFirstTokenMs: null,
    startedAtMs: NEW_YEAR,
    ...changes,
  };
}

function open(prices: Prices): UsageLedger {
  const clock = new FakeClock(NEW_YEAR);
  return createUsageLedger({
    database,
    clock,
    log: silentLog,
    folder: join(root, String(folders++)),
    prices,
  });
}

/** The expected sums, computed from the ledger. */
async function expectExactRollups(): Promise<void> {
  for (const [unit, table] of [
    ["hour", "usage_hourly"],
    ["day", "usage_daily"],
  ] as const) {
    const sums = ["prompt_tokens", "cached_tokens", "completion_tokens", "quantity", "cost_micros"];
    const by = `account_id, user_id, key_id, model, deployment, kind`;
    const plain = `select ${by}, date_trunc('${unit}', started_at, 'UTC') as at,
      count(*) filter (where kind not in ('gpu_seconds', 'cpu_seconds'))::text as requests,
      ${sums.map((name) => `sum(${name})::text as ${name}`).join()}
      from usage_records group by ${by}, at order by at, ${by}`;
    const kept = `select ${by}, ${unit} as at, requests::text, ${sums.map((name) => `${name}::text`).join()}
      from ${table} order by at, ${by}`;
    expect([...(await database.sql.unsafe(kept))]).toEqual([...(await database.sql.unsafe(plain))]);
  }
}

describe("usage rollups", () => {
  test("equal the sums of the ledger after any history of late, repeated and simultaneous batches", async () => {
    const store = usageStore(database);
    const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);
    const row = fc.record({
      id: fc.integer({ min: 0, max: 60 }),
      accountId: oneOf("acme", "other"),
      userId: oneOf("", "alice"),
      keyId: oneOf("k1", "k2"),
      model: oneOf("", "m1", "m2"),
      deployment: oneOf("", "accounts/acme/deployments/d"),
      kind: oneOf(...USAGE_KINDS),
      // Clocks jump by years in both directions, and around the ends of hours, days and months.
      startedAtMs: oneOf(0, NEW_YEAR - 1, NEW_YEAR, NEW_YEAR + 3_599_999, NEW_YEAR + 3_600_000, 8e12),
      promptTokens: fc.nat({ max: 2_147_483_647 }),
      completionTokens: fc.nat(),
      quantity: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      cost: fc.bigInt({ min: 0n, max: 10n ** 15n }),
    });
    const history = fc.array(fc.array(fc.array(row, { maxLength: 8 }), { maxLength: 3 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(history, async (rounds) => {
        await database.sql`truncate usage_records, usage_hourly, usage_daily`;
        for (const batches of rounds) {
          const lines = batches.map((batch) =>
            batch.map(({ id, cost, ...changes }) => {
              const row = { ...source(changes), id: id.toString(16).padStart(32, "0") };
              return encodeUsage(row, { outcome: "ok", status: 200, durationMs: 1 }, cost);
            }),
          );
          await Promise.all(lines.map((batch) => store.insert(batch)));
        }
        await expectExactRollups();
      }),
      { numRuns: 25 },
    );
  });

  test("do not change when the database refuses a batch", async () => {
    const store = usageStore(database);
    const good = encodeUsage(source(), { outcome: "ok", status: 200, durationMs: 1 }, 5n);
    await expect(
      store.insert([good, good.replace('"ok"', '"odd"').replace(/^\["./, '["f')]),
    ).rejects.toThrow();
    expect(await database.sql`select 1 from usage_hourly`).toHaveLength(0);
    await store.insert([good]);
    await expectExactRollups();
  });

  test("count a line of an older version as free text usage of a deployment of the platform", async () => {
    const store = usageStore(database);
    const line = JSON.parse(
      encodeUsage(source(), { outcome: "ok", status: 200, durationMs: 1 }, 5n),
    ) as unknown[];
    await store.insert([JSON.stringify(line.slice(0, 14))]);
    expect(await store.list({}, 10)).toMatchObject([
      { userId: "", deployment: "", kind: "text", quantity: 0, costMicros: 0n, promptTokens: 1_000 },
    ]);
    await expectExactRollups();
  });

  test("give costs by hour and subject, and by account; the subject of accelerator time is the deployment", async () => {
    const store = usageStore(database);
    const deployment = "accounts/acme/deployments/d";
    const row = (cost: bigint, changes: Partial<UsageSource>) =>
      encodeUsage(source(changes), { outcome: "ok", status: 200, durationMs: 1 }, cost);
    await store.insert([
      row(1n, { model: "m1", startedAtMs: NEW_YEAR - 1 }),
      row(2n, { model: "m1" }),
      row(4n, { model: "m1", keyId: "key2" }),
      row(8n, { model: "m2", deployment, kind: "gpu_seconds", startedAtMs: NEW_YEAR + 3_600_000 }),
      row(16n, { accountId: "other", model: "m1", startedAtMs: NEW_YEAR + 24 * 3_600_000 }),
      row(32n, { accountId: "other", model: "m1", startedAtMs: NEW_YEAR + 25 * 3_600_000 }),
    ]);
    const reports = usageReports(database);
    const [from, to] = [new Date(NEW_YEAR), new Date(NEW_YEAR + 25 * 3_600_000)];
    expect(await reports.hourlyCosts(from, to)).toEqual([
      { accountId: "acme", hour: from, kind: "text", subject: "m1", costMicros: 6n },
      {
        accountId: "acme",
        hour: new Date(NEW_YEAR + 3_600_000),
        kind: "gpu_seconds",
        subject: deployment,
        costMicros: 8n,
      },
      {
        accountId: "other",
        hour: new Date(NEW_YEAR + 24 * 3_600_000),
        kind: "text",
        subject: "m1",
        costMicros: 16n,
      },
    ]);
    expect(await reports.costs(from, to)).toEqual(
      new Map([
        ["acme", 14n],
        ["other", 16n],
      ]),
    );
  });

  test("include usage from before the migration that added them", async () => {
    const old = await testDatabase();
    try {
      // Restore the schema from before the migration.
      await old.sql.unsafe(
        `drop table usage_hourly, usage_daily;
         alter table usage_records drop user_id, drop deployment, drop kind, drop quantity, drop cost_micros;
         insert into usage_records values ('${"0".repeat(31)}1', 'acme', 'k', 'e', 'm', null, 7, 3, 5, null, 1, 'ok', 200,
           '2026-01-01T23:30:00-01:00')`,
      );
      await old.sql.unsafe(readFileSync(MIGRATION, "utf8"));
      expect(await old.sql`select hour, requests, prompt_tokens from usage_hourly`).toMatchObject([
        { hour: "2026-01-02 00:00:00+00", requests: "1", prompt_tokens: "7" },
      ]);
      expect(await old.sql`select day, completion_tokens from usage_daily`).toMatchObject([
        { day: "2026-01-02 00:00:00+00", completion_tokens: "5" },
      ]);
    } finally {
      await old.drop();
    }
  });
});

describe("costs", () => {
  /** One price until the new year, another from then on. */
  const changing: Prices = {
    priceOf: (_kind, _subject, atMs) => {
      const input = atMs < NEW_YEAR ? 1_000_000n : 2_000_000n;
      return { input, cachedInput: input / 2n, output: input * 4n, quantity: 0n, per: 1_000_000n };
    },
  };

  test("follow the price and belong to the month in which the request began", async () => {
    const ledger = open(changing);
    const closedCosts: [string, bigint, number][] = [];
    ledger.onClosed((...one) => closedCosts.push(one));
    const before = source({ startedAtMs: NEW_YEAR - 1 });
    const after = source();
    for (const request of [before, after]) ledger.open(request);
    // Both requests end in the new year.
    for (const request of [before, after])
      await new Promise<void>((resolve) =>
        ledger.close(request, { outcome: "ok", status: 200, durationMs: 1 }, resolve),
      );
    await ledger.flush();
    // In units of the prompt price: 600 fresh tokens, 200 for the 400 cached ones, 400 for the 100 generated ones.
    expect(closedCosts).toEqual([
      ["acme", 1_200n, NEW_YEAR - 1],
      ["acme", 2_400n, NEW_YEAR],
    ]);
    expect((await ledger.list({})).map((row) => row.costMicros)).toEqual([1_200n, 2_400n]);
    const days = await database.sql`select day, cost_micros from usage_daily order by day`;
    expect(days.map((row) => [row["day"], row["cost_micros"]])).toEqual([
      ["2025-12-31 00:00:00+00", "1200"],
      ["2026-01-01 00:00:00+00", "2400"],
    ]);
    await ledger.shutDown();
  });

  test("are zero for the tokens of a deployment that is paid by time", async () => {
    const ledger = open(changing);
    const usage = source({ pricedAs: "", deployment: "accounts/acme/deployments/d" });
    ledger.open(usage);
    const costs: bigint[] = [];
    ledger.onClosed((_account, cost) => costs.push(cost));
    ledger.close(usage, { outcome: "ok", status: 200, durationMs: 1 }, () => {});
    expect(costs).toEqual([0n]);
    await ledger.shutDown();
  });

  test("are bounded for absurd counts, which are still recorded", async () => {
    const ledger = open({
      priceOf: () => ({ input: 10n ** 11n, cachedInput: 0n, output: 0n, quantity: 10n ** 11n, per: 1n }),
    });
    const usage = source({
      promptTokens: 1e300,
      cachedTokens: -5,
      completionTokens: Number.NaN,
      quantity: 1e300,
    });
    ledger.open(usage);
    await new Promise<void>((resolve) =>
      ledger.close(usage, { outcome: "ok", status: 200, durationMs: 1 }, resolve),
    );
    await ledger.flush();
    expect(await ledger.list({})).toMatchObject([
      { promptTokens: 2_147_483_647, cachedTokens: 0, completionTokens: 0, costMicros: 10n ** 15n },
    ]);
    await expectExactRollups();
    await ledger.shutDown();
  });
});
