import { and, asc, eq, gte, like, notInArray, sql as raw, type SQL } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import type { Database } from "../../platform/db/database.ts";
import type { UsageRow } from "./record.ts";
import { usageRecords } from "./table.ts";

export interface UsageFilter {
  accountId?: string;
  id?: string;
}

/** Sums and means over requests. */
export interface UsageSummary {
  requests: number;
  /** Requests that failed because of the platform, not the client. */
  errors: number;
  promptTokens: number;
  cachedPromptTokens: number;
  generatedTokens: number;
  /** Means over the requests that generated a token; null: there were none. */
  timeToFirstTokenMeanMs: number | null;
  durationMeanMs: number | null;
}

export interface UsageStore {
  /** Over the requests that began at or after `sinceMs` and whose replica's id begins with `replicaPrefix`. */
  summarize(replicaPrefix: string, sinceMs: number): Promise<UsageSummary>;
  /** Inserts at most 1,000 rows, encoded by `encodeUsage`. Rows whose identifier exists already change nothing. */
  insert(rows: readonly string[]): Promise<void>;
  /** In the order of their start, oldest first. */
  list(filter: UsageFilter, limit: number): Promise<UsageRow[]>;
}

/** Whether the rows themselves caused the error (SQLSTATE classes 22, 23 and 54), so that a retry can't help. */
export function isRowFault(error: unknown): boolean {
  return /^(2[23]|54)/.test(String((error as { code?: unknown }).code ?? ""));
}

export function usageStore({ sql, db }: Pick<Database, "sql" | "db">): UsageStore {
  return {
    async insert(rows) {
      // The spool's lines go to PostgreSQL as they are, without being parsed here. The same statement adds only rows
      // that were really inserted to the rollups, sorted by key: two processes that update the same rollup rows in
      // different orders would deadlock. Lines of older versions have no fields after `started_at`.
      await sql`
        with inserted as (
          insert into usage_records (id, account_id, key_id, endpoint, model, replica, prompt_tokens, cached_tokens,
            completion_tokens, time_to_first_token_ms, duration_ms, outcome, status, started_at, user_id, deployment,
            kind, quantity, cost_micros)
          select (r->>0)::uuid, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::integer, (r->>7)::integer,
            (r->>8)::integer, (r->>9)::float8, (r->>10)::float8, r->>11, (r->>12)::smallint,
            to_timestamp((r->>13)::float8 / 1000), coalesce(r->>14, ''), coalesce(r->>15, ''),
            coalesce(r->>16, 'text'), coalesce((r->>17)::bigint, 0), coalesce((r->>18)::bigint, 0)
          from jsonb_array_elements(${`[${rows.join(",")}]`}::text::jsonb) as r
          on conflict (id) do nothing
          returning *
        ), by_hour as (
          select account_id, user_id, key_id, model, deployment, kind, date_trunc('hour', started_at, 'UTC') as hour,
            count(*) filter (where kind not in ('gpu_seconds', 'cpu_seconds')) as requests,
            sum(prompt_tokens) as prompt_tokens, sum(cached_tokens) as cached_tokens,
            sum(completion_tokens) as completion_tokens, sum(quantity) as quantity, sum(cost_micros) as cost_micros
          from inserted group by account_id, user_id, key_id, model, deployment, kind, hour
        ), hourly as (
          insert into usage_hourly as known (account_id, user_id, key_id, model, deployment, kind, hour, requests,
            prompt_tokens, cached_tokens, completion_tokens, quantity, cost_micros)
          select * from by_hour order by account_id, hour, model, deployment, key_id, user_id, kind
          on conflict (account_id, hour, model, deployment, key_id, user_id, kind) do update set
            requests = known.requests + excluded.requests,
            prompt_tokens = known.prompt_tokens + excluded.prompt_tokens,
            cached_tokens = known.cached_tokens + excluded.cached_tokens,
            completion_tokens = known.completion_tokens + excluded.completion_tokens,
            quantity = known.quantity + excluded.quantity,
            cost_micros = known.cost_micros + excluded.cost_micros
        )
        insert into usage_daily as known (account_id, user_id, key_id, model, deployment, kind, day, requests,
          prompt_tokens, cached_tokens, completion_tokens, quantity, cost_micros)
        select account_id, user_id, key_id, model, deployment, kind, date_trunc('day', hour, 'UTC') as day,
          sum(requests), sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), sum(quantity), sum(cost_micros)
        from by_hour group by account_id, user_id, key_id, model, deployment, kind, day
        order by account_id, day, model, deployment, key_id, user_id, kind
        on conflict (account_id, day, model, deployment, key_id, user_id, kind) do update set
          requests = known.requests + excluded.requests,
          prompt_tokens = known.prompt_tokens + excluded.prompt_tokens,
          cached_tokens = known.cached_tokens + excluded.cached_tokens,
          completion_tokens = known.completion_tokens + excluded.completion_tokens,
          quantity = known.quantity + excluded.quantity,
          cost_micros = known.cost_micros + excluded.cost_micros`;
    },
    async summarize(replicaPrefix, sinceMs) {
      const tokens = (column: AnyPgColumn) => raw<number>`coalesce(sum(${column}), 0)`.mapWith(Number);
      const gotToken = raw`where ${usageRecords.timeToFirstTokenMs} is not null`;
      const [figures] = await db
        .select({
          requests: raw<number>`count(*)`.mapWith(Number),
          errors:
            raw<number>`count(*) filter (where ${usageRecords.outcome} in ('error', 'interrupted'))`.mapWith(
              Number,
            ),
          promptTokens: tokens(usageRecords.promptTokens),
          cachedPromptTokens: tokens(usageRecords.cachedTokens),
          generatedTokens: tokens(usageRecords.completionTokens),
          timeToFirstTokenMeanMs: raw<number | null>`avg(${usageRecords.timeToFirstTokenMs})`,
          durationMeanMs: raw<number | null>`avg(${usageRecords.durationMs}) filter (${gotToken})`,
        })
        .from(usageRecords)
        .where(
          and(
            gte(usageRecords.startedAt, new Date(sinceMs)),
            notInArray(usageRecords.kind, ["gpu_seconds", "cpu_seconds"]),
            like(usageRecords.replica, `${replicaPrefix.replaceAll(/[\\%_]/g, "\\$&")}%`),
          ),
        );
      return figures as UsageSummary;
    },
    async list(filter, limit) {
      const conditions: SQL[] = [];
      if (filter.accountId !== undefined) conditions.push(eq(usageRecords.accountId, filter.accountId));
      if (filter.id !== undefined) conditions.push(eq(usageRecords.id, filter.id));
      const rows = await db
        .select()
        .from(usageRecords)
        .where(and(...conditions))
        .orderBy(asc(usageRecords.startedAt), asc(usageRecords.id))
        .limit(limit);
      return rows.map(({ startedAt, ...row }) => ({
        ...row,
        id: row.id.replaceAll("-", ""),
        startedAtMs: startedAt.getTime(),
      }));
    },
  };
}
