/** Pages of a list of a million models through the API, compared with the bare SQL of the same pages. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { Client } from "undici";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/platform/db/embedded-postgres.ts";
import { type Hearth, startHearth } from "../hearth.ts";
import { type Goal, number, printTable } from "../report.ts";
import { summarize } from "../stats.ts";
import { ACCOUNT, addModels } from "./models.ts";

export interface ListingOptions {
  rows: number;
  /** Measurements of each page, in turn through the API and in SQL. */
  samples: number;
  /** After this time a page is sampled no more, but at least three times. */
  budgetMs: number;
}

interface Case {
  name: string;
  query: Record<string, string>;
  /** The page in SQL, after `select * from models where account_id = $1`. */
  sql: string;
}

type Row = { create_time: Date; id: string };

const NEWEST_FIRST = "order by create_time desc, id desc limit";
const FILTERED = "and state = 'READY' and kind = 'HF_BASE_MODEL'";
const NESTED =
  "and (spec #>> '{baseModelDetails,parameterCount}')::bigint > 7000000000 and display_name ilike '%llama%'";

/** @param middle a row in the middle of the list. @param token the page token of the page after that row */
function cases(middle: Row, token: string, next: { filtered: string }): Case[] {
  const since = middle.create_time.toISOString();
  const beyond = `and (create_time, id) < ('${since}', '${middle.id}')`;
  const filter = "state = READY AND kind = HF_BASE_MODEL";
  return [
    { name: "first page", query: {}, sql: `${NEWEST_FIRST} 50` },
    { name: "page in the middle", query: { pageToken: token }, sql: `${beyond} ${NEWEST_FIRST} 50` },
    { name: "first page, 200 rows", query: { pageSize: "200" }, sql: `${NEWEST_FIRST} 200` },
    { name: "by name", query: { orderBy: "name" }, sql: "order by id limit 50" },
    {
      name: "older than the middle",
      query: { filter: `createTime < "${since}"` },
      sql: `and create_time < '${since}' ${NEWEST_FIRST} 50`,
    },
    { name: "state and kind, 1 in 10", query: { filter }, sql: `${FILTERED} ${NEWEST_FIRST} 50` },
    {
      name: "the same, next page",
      query: { filter, pageToken: next.filtered },
      sql: `${FILTERED} ${NEWEST_FIRST} 50 offset 50`,
    },
    {
      name: "nested number and text",
      query: { filter: 'baseModelDetails.parameterCount > 7000000000 AND displayName:"llama"' },
      sql: `${NESTED} ${NEWEST_FIRST} 50`,
    },
    {
      name: "one match in all",
      query: { filter: 'displayName = "Model 17"' },
      sql: `and display_name = 'Model 17' ${NEWEST_FIRST} 50`,
    },
    {
      name: "by a nested number",
      query: { orderBy: "baseModelDetails.parameterCount" },
      sql: "order by (spec #>> '{baseModelDetails,parameterCount}')::bigint, id limit 50",
    },
  ];
}

interface Page {
  models: { name: string }[];
  nextPageToken: string;
  totalSize: number;
}

export async function measureListing(options: ListingOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const dataDir = await mkdtemp(join(tmpdir(), "hearth-bench-"));
  let database: EmbeddedPostgres | null = null;
  let hearth: Hearth | null = null;
  let sql: postgres.Sql | null = null;
  let client: Client | null = null;
  try {
    const quiet = { debug() {}, info() {}, warn() {}, error: console.error };
    database = await startEmbeddedPostgres({ dataDir: join(dataDir, "postgres"), log: quiet });
    hearth = await startHearth({ core: null, env: { DATABASE_URL: database.url } });
    sql = connect(database.url);
    await addModels(sql, options.rows);
    client = new Client(`http://127.0.0.1:${hearth.port}`);
    return await measure(options, listOf(client, hearth.apiKey), sql);
  } finally {
    await client?.close();
    await sql?.end();
    await hearth?.dispose();
    await database?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function connect(address: string): postgres.Sql {
  const url = new URL(address);
  const folder = url.searchParams.get("host");
  const port = url.searchParams.get("port") ?? "5432";
  url.searchParams.delete("host");
  url.searchParams.delete("port");
  return postgres(url.href, { max: 1, ...(folder === null ? {} : { path: `${folder}/.s.PGSQL.${port}` }) });
}

type List = (query: Record<string, string>) => Promise<Page>;

function listOf(client: Client, apiKey: string): List {
  return async (query) => {
    const { statusCode, body } = await client.request({
      method: "GET",
      path: `/v1/accounts/${ACCOUNT}/models`,
      query,
      headers: { authorization: `Bearer ${apiKey}` },
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the list answered ${statusCode}: ${text}`);
    return JSON.parse(text) as Page;
  };
}

async function measure(options: ListingOptions, list: List, sql: postgres.Sql) {
  const rows: string[][] = [];
  const results: Record<string, unknown> = {};
  let worst = 0;
  for (const { name, query, sql: tail } of await prepare(options, list, sql)) {
    const page = (): Promise<Row[]> =>
      sql.unsafe(`select * from models where account_id = $1 ${tail}`, [ACCOUNT], { prepare: true });
    const expected = (await page()).map(({ id }) => `accounts/${ACCOUNT}/models/${id}`);
    const found = (await list(query)).models.map((model) => model.name);
    if (found.join() !== expected.join()) throw new Error(`${name}: the API gives another page than the SQL`);
    const apiMs: number[] = [];
    const bareMs: number[] = [];
    const untilMs = performance.now() + options.budgetMs;
    for (let i = 0; i < options.samples && (i < 3 || performance.now() < untilMs); i += 1) {
      bareMs.push(await timed(page));
      apiMs.push(await timed(() => list(query)));
    }
    const [api, bare] = [summarize(apiMs), summarize(bareMs)];
    const ratio = api.median / bare.median;
    worst = Math.max(worst, ratio);
    results[name] = { apiMs: api, bareMs: bare, ratio };
    rows.push([name, `${number(api.median)} ms`, `${number(bare.median)} ms`, `${number(ratio)}×`]);
  }
  printTable(`Lists of ${number(options.rows)} models, medians`, ["page", "API", "bare SQL", "ratio"], rows);
  const goal: Goal = {
    name: "slowest list page beside its bare SQL",
    value: worst,
    limit: 5,
    kind: "max",
    unit: "×",
  };
  return { results, goals: [goal] };
}

/** Reads pages up to the middle of the list and the first page of a filter, to get their next pages' tokens. */
async function prepare({ rows }: ListingOptions, list: List, sql: postgres.Sql): Promise<Case[]> {
  let token = "";
  let last = "";
  for (let rowsRead = 0; rowsRead < rows / 2; ) {
    const page = await list({ pageSize: "200", ...(token === "" ? {} : { pageToken: token }) });
    if (page.totalSize !== rows) throw new Error(`the list counts ${page.totalSize} rows instead of ${rows}`);
    rowsRead += page.models.length;
    token = page.nextPageToken;
    last = page.models.at(-1)!.name;
  }
  const filtered = (await list({ filter: "state = READY AND kind = HF_BASE_MODEL" })).nextPageToken;
  const id = last.slice(last.lastIndexOf("/") + 1);
  const [middle] = await sql<
    Row[]
  >`select create_time, id from models where account_id = ${ACCOUNT} and id = ${id}`;
  return cases(middle!, token, { filtered });
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
}
