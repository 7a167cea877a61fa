import { sql as raw, type SQL } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import type { CheckedFilter } from "../../lib/filter-check.ts";
import type { Database } from "../../platform/db/database.ts";
import { filterSql } from "../../platform/db/filter-sql.ts";
import { USAGE_KINDS } from "../money/service.ts";

/** The dimensions by which a report can be grouped. */
export const GROUPINGS = ["account", "user", "key", "model", "deployment", "kind", "hour", "day"] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface ReportQuery {
  /** Null: all accounts. */
  accountId: string | null;
  /** Start of a full hour (UTC), milliseconds since the Unix epoch. */
  fromMs: number;
  /** Like `fromMs`, exclusive. */
  toMs: number;
  /** Without duplicates; empty: one row for everything. */
  groupBy: readonly Grouping[];
  /** Uses the fields of `REPORT_FIELDS`; null: no filter. */
  filter: CheckedFilter | null;
}

/** Sums of usage; exact, however large. */
export interface UsageSums {
  requests: bigint;
  promptTokens: bigint;
  /** Part of `promptTokens`. */
  cachedTokens: bigint;
  completionTokens: bigint;
  audioMs: bigint;
  images: bigint;
  /** Milliseconds times the number of accelerators. */
  gpuMs: bigint;
  cpuMs: bigint;
  trainingTokens: bigint;
  costMicros: bigint;
}

export interface ReportRow extends UsageSums {
  /** The values of the dimensions in `groupBy`, in that order. Times are RFC 3339. */
  group: string[];
}

/** Cost of one subject for an account in one hour. */
export interface HourlyCost {
  accountId: string;
  hour: Date;
  kind: string;
  /** A model; for accelerator and CPU time the deployment. */
  subject: string;
  costMicros: bigint;
}

export type UsageTotal = UsageSums & { groups: number };

/** Reads the rollups of the ledger. They include all rows that have been flushed to the database. */
export interface UsageReports {
  /** At most `limit` groups in the order of their values, from the first one after the group `after`. */
  rows(query: ReportQuery, after: readonly string[] | null, limit: number): Promise<ReportRow[]>;
  total(query: ReportQuery): Promise<UsageTotal>;
  /** The first rows and the total, from one snapshot of the database. */
  firstPage(query: ReportQuery, limit: number): Promise<{ rows: ReportRow[]; total: UsageTotal }>;
  /** All groups in the order of their values, 500 at a time. Occupies a database connection until the end. */
  stream(query: ReportQuery): AsyncIterable<ReportRow[]>;
  /** The first day with usage; null: no usage. */
  firstDay(): Promise<Date | null>;
  /** @param from a full hour. @param to a full hour, exclusive. */
  hourlyCosts(from: Date, to: Date): Promise<HourlyCost[]>;
  /** Total cost by account. @param from a full hour. @param to a full hour, exclusive. */
  costs(from: Date, to: Date): Promise<ReadonlyMap<string, bigint>>;
}

const DAY_MS = 86_400_000;
const CURSOR_ROWS = 500;
const TIME_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS"Z"';

const utc = (time: SQL): SQL => raw`to_char(${time} at time zone 'UTC', ${raw.raw(`'${TIME_FORMAT}'`)})`;

/** The database has ids, reports have full names. Empty: the usage has no user, key, model or deployment. */
const GROUP_SQL: Readonly<Record<Grouping, SQL>> = {
  account: raw`('accounts/' || account_id)`,
  user: raw`(case user_id when '' then '' else 'accounts/' || account_id || '/users/' || user_id end)`,
  key: raw`key_id`,
  model: raw`model`,
  deployment: raw`deployment`,
  kind: raw`kind`,
  hour: utc(raw`at`),
  day: utc(raw`date_trunc('day', at, 'UTC')`),
};

/** The fields that a report's filter may use. */
export const REPORT_FIELDS = {
  account: { type: "string", sql: GROUP_SQL.account },
  user: { type: "string", sql: GROUP_SQL.user },
  key: { type: "string", sql: GROUP_SQL.key },
  model: { type: "string", sql: GROUP_SQL.model },
  deployment: { type: "string", sql: GROUP_SQL.deployment },
  kind: { type: "enum", sql: GROUP_SQL.kind, values: USAGE_KINDS },
} as const;

const quantityOfKind = (kind: string): SQL =>
  raw`coalesce(sum(quantity) filter (where kind = ${raw.raw(`'${kind}'`)}), 0)::text`;
const sumOf = (column: string): SQL => raw`coalesce(sum(${raw.raw(column)}), 0)::text`;
const SUMS: Readonly<Record<keyof UsageSums, SQL>> = {
  requests: sumOf("requests"),
  promptTokens: sumOf("prompt_tokens"),
  cachedTokens: sumOf("cached_tokens"),
  completionTokens: sumOf("completion_tokens"),
  audioMs: quantityOfKind("audio"),
  images: quantityOfKind("images"),
  gpuMs: quantityOfKind("gpu_seconds"),
  cpuMs: quantityOfKind("cpu_seconds"),
  trainingTokens: quantityOfKind("training"),
  costMicros: sumOf("cost_micros"),
};
const SUM_NAMES = Object.keys(SUMS) as (keyof UsageSums)[];
const SUMS_SQL = raw.join(
  SUM_NAMES.map((name) => raw`${SUMS[name]} as ${raw.raw(`"${name}"`)}`),
  raw`, `,
);

export function usageReports({ sql, db }: Pick<Database, "sql" | "db">): UsageReports {
  const dialect = new PgDialect();
  async function costs(from: Date, to: Date): Promise<Map<string, bigint>> {
    const range = { accountId: null, filter: null, fromMs: from.getTime(), toMs: to.getTime() };
    const rows = await db.execute<{ account_id: string; cost: string }>(
      raw`select account_id, sum(cost_micros)::text as cost from (${rollupSql({ ...range, groupBy: [] })}) as used group by 1`,
    );
    return new Map(rows.map(({ account_id, cost }) => [account_id, BigInt(cost)]));
  }
  return {
    costs,
    rows: (query, after, limit) => rowsOf(db, query, after, limit),
    total: (query) => totalOf(db, query),
    firstPage: (query, limit) =>
      db.transaction(
        async (tx) => ({ rows: await rowsOf(tx, query, null, limit), total: await totalOf(tx, query) }),
        { isolationLevel: "repeatable read", accessMode: "read only" },
      ),
    async *stream(query) {
      const { sql: text, params } = dialect.sqlToQuery(groupedSql(query, null, null));
      for await (const rows of sql.unsafe<RawRow[]>(text, params as never[]).cursor(CURSOR_ROWS)) {
        yield rows.map((row) => readRow(query, row));
      }
    },
    async firstDay() {
      const [row] = await sql<{ ms: string | null }[]>`
        select (extract(epoch from min(day)) * 1000)::bigint::text as ms from usage_daily`;
      return row?.ms == null ? null : new Date(Number(row.ms));
    },
    async hourlyCosts(from, to) {
      const rows = await sql<
        { account_id: string; hour_ms: string; kind: string; subject: string; cost: string }[]
      >`
        select account_id, (extract(epoch from hour) * 1000)::bigint::text as hour_ms, kind,
          case when kind in ('gpu_seconds', 'cpu_seconds') then deployment else model end as subject,
          sum(cost_micros)::text as cost
        from usage_hourly where hour >= ${from.toISOString()} and hour < ${to.toISOString()} group by 1, 2, 3, 4 order by 1, 2, 3, 4`;
      return rows.map(({ account_id, hour_ms, kind, subject, cost }) => ({
        accountId: account_id,
        hour: new Date(Number(hour_ms)),
        kind,
        subject,
        costMicros: BigInt(cost),
      }));
    },
  };
}

type RawRow = Record<string, string>;
type Queries = Pick<Database["db"], "execute">;

async function rowsOf(
  db: Queries,
  query: ReportQuery,
  after: readonly string[] | null,
  limit: number,
): Promise<ReportRow[]> {
  const rows = await db.execute<RawRow>(groupedSql(query, after, limit));
  return rows.map((row) => readRow(query, row));
}

async function totalOf(db: Queries, query: ReportQuery): Promise<UsageTotal> {
  const keys = raw.join([raw`1`, ...query.groupBy.map((name) => GROUP_SQL[name])], raw`, `);
  const [row] = await db.execute<RawRow>(
    raw`with used as (${filteredSql(query)})
      select ${SUMS_SQL}, (select count(*) from (select distinct ${keys} from used) as groups)::text as groups
      from used`,
  );
  return { ...readSums(row as RawRow), groups: Number((row as RawRow)["groups"]) };
}

/**
 * Rows of the rollups with their time as `at`: from the daily rollup for whole days, from the hourly one for the rest.
 */
function rollupSql({ fromMs, toMs, groupBy, accountId }: ReportQuery): SQL {
  const account = accountId === null ? raw`true` : raw`account_id = ${accountId}`;
  const columns = raw.raw(
    "account_id, user_id, key_id, model, deployment, kind, requests, prompt_tokens, cached_tokens, completion_tokens, quantity, cost_micros",
  );
  const time = (ms: number): SQL => raw`${new Date(ms).toISOString()}::timestamptz`;
  const hours = (from: number, to: number): SQL =>
    raw`select ${columns}, hour as at from usage_hourly where ${account} and hour >= ${time(from)} and hour < ${time(to)}`;
  const firstDayMs = Math.ceil(fromMs / DAY_MS) * DAY_MS;
  const endDayMs = Math.floor(toMs / DAY_MS) * DAY_MS;
  if (groupBy.includes("hour") || firstDayMs >= endDayMs) return hours(fromMs, toMs);
  const days = raw`select ${columns}, day as at from usage_daily
    where ${account} and day >= ${time(firstDayMs)} and day < ${time(endDayMs)}`;
  const parts = [days];
  if (fromMs < firstDayMs) parts.push(hours(fromMs, firstDayMs));
  if (endDayMs < toMs) parts.push(hours(endDayMs, toMs));
  return raw.join(parts, raw` union all `);
}

function filteredSql(query: ReportQuery): SQL {
  const where = query.filter === null ? raw`true` : filterSql(query.filter, REPORT_FIELDS);
  return raw`select * from (${rollupSql(query)}) as summed where ${where}`;
}

/** @param limit null: all. */
function groupedSql(query: ReportQuery, after: readonly string[] | null, limit: number | null): SQL {
  const keys = query.groupBy.map((name) => GROUP_SQL[name]);
  const list = raw.join(keys, raw`, `);
  const named = keys.map((key, i) => raw`${key} as ${raw.raw(`g${i}`)}, `);
  // Without groups the report has one row, of zeros when there is no usage.
  if (keys.length === 0) return raw`select ${SUMS_SQL} from (${filteredSql(query)}) as used`;
  const values = (after ?? []).map((value) => raw`${value}::text`);
  const beyond = after === null ? raw`true` : raw`(${list}) > (${raw.join(values, raw`, `)})`;
  return raw`select ${raw.join(named)} ${SUMS_SQL} from (${filteredSql(query)}) as used where ${beyond}
    group by ${list} order by ${list} ${limit === null ? raw`` : raw`limit ${limit}`}`;
}

function readRow({ groupBy }: ReportQuery, row: RawRow): ReportRow {
  return { group: groupBy.map((_, i) => row[`g${i}`] as string), ...readSums(row) };
}

function readSums(row: RawRow): UsageSums {
  return Object.fromEntries(
    SUM_NAMES.map((name) => [name, BigInt(row[name] as string)]),
  ) as unknown as UsageSums;
}
