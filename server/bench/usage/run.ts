/** Usage: a month's report over millions of rows, compared with a plain sum of the ledger, and the cost of the sums at insertion. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uuidv7Hex } from "../../src/lib/ids.ts";
import { encodeUsage } from "../../src/metering/usage/record.ts";
import { type ReportQuery, usageReports } from "../../src/metering/usage/service.ts";
import { usageStore } from "../../src/metering/usage/store.ts";
import { type Database, openDatabase } from "../../src/platform/db/database.ts";
import { startEmbeddedPostgres } from "../../src/platform/db/embedded-postgres.ts";
import { type Goal, number, printTable } from "../report.ts";
import { summarize } from "../stats.ts";

export interface UsageOptions {
  /** Ledger rows of one month. */
  rows: number;
  /** Measurements of each report. */
  samples: number;
  /** Batches of 1,000 rows, inserted in turn with and without sums. */
  batches: number;
}

const MONTH_MS = Date.UTC(2025, 6, 1);
const NEXT_MONTH_MS = Date.UTC(2025, 7, 1);
const BATCH_ROWS = 1_000;
/** Numbers of accounts, of keys per account (three keys per user) and of models. */
const [ACCOUNTS, KEYS, MODELS] = [40, 5, 12];

export async function runUsage(options: UsageOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const folder = await mkdtemp(join(tmpdir(), "hearth-bench-"));
  const log = { debug() {}, info() {}, warn() {}, error: console.error };
  const server = await startEmbeddedPostgres({ dataDir: join(folder, "postgres"), log });
  try {
    const database = await openDatabase({ url: server.url, log, statementTimeoutMs: 0 });
    try {
      await database.migrate();
      await fill(database, options.rows);
      const reports = await measureReports(database, options);
      const inserts = await measureInserts(database, options);
      return { results: { reports: reports.results, inserts }, goals: [reports.goal] };
    } finally {
      await database.close();
    }
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Rows spread evenly over a month, and their sums as the ledger keeps them. */
async function fill({ sql }: Database, rows: number): Promise<void> {
  const seconds = (NEXT_MONTH_MS - MONTH_MS) / 1_000;
  await sql.unsafe(
    `insert into usage_records (id, account_id, key_id, user_id, endpoint, model, replica, prompt_tokens,
       cached_tokens, completion_tokens, time_to_first_token_ms, duration_ms, outcome, status, started_at, cost_micros)
     select uuidv7(), 'account-' || a, 'key-' || a || '-' || k, 'user-' || k / 3, 'chat.completions',
       'accounts/fireworks/models/model-' || m, 'r', 100 + n % 900, n % 100, n % 300, 20, 900, 'ok', 200,
       timestamptz '2025-07-01Z' + (n::float8 * ${seconds} / ${rows}) * interval '1 second', n % 1000
     from (select n, (random() * ${ACCOUNTS - 1})::int as a, (random() * ${KEYS - 1})::int as k,
       (random() * ${MODELS - 1})::int as m from generate_series(0, ${rows - 1}) as n) as given`,
  );
  for (const [table, unit] of [
    ["usage_hourly", "hour"],
    ["usage_daily", "day"],
  ]) {
    await sql.unsafe(
      `insert into ${table} (account_id, user_id, key_id, model, deployment, kind, ${unit}, requests, prompt_tokens,
         cached_tokens, completion_tokens, quantity, cost_micros)
       select account_id, user_id, key_id, model, deployment, kind, date_trunc('${unit}', started_at, 'UTC') as at,
         count(*), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(quantity), sum(cost_micros)
       from usage_records group by account_id, user_id, key_id, model, deployment, kind, at`,
    );
  }
  await sql.unsafe("vacuum analyze usage_records, usage_hourly, usage_daily");
}

async function measureReports(database: Database, { rows, samples }: UsageOptions) {
  const reports = usageReports(database);
  const month = { fromMs: MONTH_MS, toMs: NEXT_MONTH_MS, filter: null };
  const cases: { name: string; query: ReportQuery }[] = [
    { name: "by model, all accounts", query: { ...month, accountId: null, groupBy: ["model"] } },
    { name: "by model, one account", query: { ...month, accountId: "account-7", groupBy: ["model"] } },
    {
      name: "by key and day, one account",
      query: { ...month, accountId: "account-7", groupBy: ["key", "day"] },
    },
    {
      name: "by model, all accounts, cut hours",
      query: {
        ...month,
        fromMs: MONTH_MS + 3_600_000,
        toMs: NEXT_MONTH_MS - 3_600_000,
        accountId: null,
        groupBy: ["model"],
      },
    },
    { name: "by hour, all accounts", query: { ...month, accountId: null, groupBy: ["hour"] } },
  ];
  const plain = (): Promise<{ tokens: string }[]> => database.sql`
    select model, sum(prompt_tokens)::text as tokens from usage_records
    where started_at >= ${new Date(MONTH_MS).toISOString()} and started_at < ${new Date(NEXT_MONTH_MS).toISOString()} group by model`;
  const table: string[][] = [];
  const results: Record<string, unknown> = {};
  let byModelMs = Number.NaN;
  for (const { name, query } of cases) {
    const times: number[] = [];
    for (let i = 0; i < samples; i += 1) times.push(await timed(() => reports.rows(query, null, 10_000)));
    const summary = summarize(times);
    if (name === cases[0]!.name) byModelMs = summary.median;
    results[name] = summary;
    table.push([name, `${number(summary.median)} ms`]);
  }
  const plainMs = await timed(plain);
  table.push(["the first from the ledger itself", `${number(plainMs)} ms`]);
  const [kept, ledger] = [await reports.rows(cases[0]!.query, null, 10_000), await plain()];
  const sum = (values: bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
  if (sum(kept.map((row) => row.promptTokens)) !== sum(ledger.map((row) => BigInt(row.tokens))))
    throw new Error("the report is not the ledger's sum");
  printTable(`A month's usage of ${number(rows)} rows, medians`, ["report", "time"], table);
  const goal: Goal = {
    name: `month's usage by model, ${number(rows)} rows`,
    value: byModelMs,
    limit: 1_000,
    kind: "max",
    unit: "ms",
  };
  return { results: { ...results, plainMs }, goal };
}

async function measureInserts(database: Database, { batches }: UsageOptions) {
  const store = usageStore(database);
  // Inserts into the ledger only, without hourly and daily sums.
  const bare = async (rows: readonly string[]): Promise<void> => {
    await database.sql`
      insert into usage_records (id, account_id, key_id, endpoint, model, prompt_tokens, cached_tokens,
        completion_tokens, duration_ms, outcome, status, started_at, user_id, cost_micros)
      select (r->>0)::uuid, r->>1, r->>2, r->>3, r->>4, (r->>6)::integer, (r->>7)::integer, (r->>8)::integer,
        (r->>10)::float8, r->>11, (r->>12)::smallint, to_timestamp((r->>13)::float8 / 1000), r->>14,
        (r->>18)::bigint
      from jsonb_array_elements(${`[${rows.join(",")}]`}::text::jsonb) as r on conflict (id) do nothing`;
  };
  const [withSums, without]: [number[], number[]] = [[], []];
  for (let i = 0; i < batches; i += 1) {
    without.push(await timed(() => bare(batch(i))));
    withSums.push(await timed(() => store.insert(batch(i))));
  }
  const [sums, plain] = [summarize(withSums), summarize(without)];
  const rate = (ms: number): string => `${number(Math.round((BATCH_ROWS / ms) * 1_000))} rows/s`;
  printTable(
    `Usage rows inserted by one process, ${ACCOUNTS * KEYS * MODELS} sums an hour, medians`,
    ["", "rate", "ratio"],
    [
      ["ledger alone", rate(plain.median), "1"],
      ["with hourly and daily sums", rate(sums.median), `${number(plain.median / sums.median)}×`],
    ],
  );
  return { withSumsMs: sums, withoutMs: plain };
}

/** Rows within one second, some days after the month. */
function batch(index: number): string[] {
  return Array.from({ length: BATCH_ROWS }, (_, i) => {
    const startedAtMs = Date.UTC(2025, 7, 5) + index * 1_000 + i;
    const [account, key, model] = [ACCOUNTS, KEYS, MODELS].map((count) =>
      Math.floor(Math.random() * count),
    ) as [number, number, number];
    const source = {
      id: uuidv7Hex(startedAtMs),
      accountId: `account-${account}`,
      keyId: `key-${account}-${key}`,
      userId: `user-${Math.floor(key / 3)}`,
      endpoint: "chat.completions",
      model: `accounts/fireworks/models/model-${model}`,
      deployment: "",
      kind: "text" as const,
      pricedAs: "",
      replica: null,
      promptTokens: 500,
      cachedTokens: 100,
      completionTokens: 200,
      quantity: 0,
      timeToFirstTokenMs: 20,
      startedAtMs,
    };
    return encodeUsage(source, { outcome: "ok", status: 200, durationMs: 900 }, 42n);
  });
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
}
