import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  doublePrecision,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import type { UsageKind } from "../money/service.ts";

export const OUTCOMES = ["ok", "cancelled", "error", "rejected", "interrupted"] as const;

/** The usage ledger: one row for each request, and for each minute that a deployment's replica served. Append-only. */
export const usageRecords = pgTable(
  "usage_records",
  {
    id: uuid().primaryKey(),
    accountId: text("account_id").notNull(),
    keyId: text("key_id").notNull(),
    endpoint: text().notNull(),
    model: text().notNull(),
    /** The replica that served the request; null when it never reached one. */
    replica: text(),
    promptTokens: integer("prompt_tokens").notNull(),
    cachedTokens: integer("cached_tokens").notNull(),
    completionTokens: integer("completion_tokens").notNull(),
    timeToFirstTokenMs: doublePrecision("time_to_first_token_ms"),
    durationMs: doublePrecision("duration_ms").notNull(),
    outcome: text({ enum: OUTCOMES }).notNull(),
    /** The HTTP status that was sent, 100–599; 499 when the client disconnected before a status was sent. */
    status: smallint().notNull(),
    startedAt: timestamp("started_at", { withTimezone: true }).notNull(),
    userId: text("user_id").notNull().default(""),
    /** Empty: a deployment of the platform. */
    deployment: text().notNull().default(""),
    kind: text().$type<UsageKind>().notNull().default("text"),
    quantity: bigint({ mode: "number" }).notNull().default(0),
    costMicros: bigint("cost_micros", { mode: "bigint" }).notNull().default(sql`0`),
  },
  (t) => [
    index("usage_records_account_id_started_at_index").on(t.accountId, t.startedAt),
    // Rows arrive nearly in the order of time, so a block range index is tiny and cheap to maintain.
    index("usage_records_started_at_index").using("brin", t.startedAt),
    check(
      "usage_records_outcome_check",
      sql`${t.outcome} in ('ok', 'cancelled', 'error', 'rejected', 'interrupted')`,
    ),
  ],
);

/** Grouping columns of the rollups, besides the time. */
const dimensions = {
  accountId: text("account_id").notNull(),
  userId: text("user_id").notNull(),
  keyId: text("key_id").notNull(),
  model: text().notNull(),
  deployment: text().notNull(),
  kind: text().$type<UsageKind>().notNull(),
};

const sums = {
  /** Rows of replica time don't count as requests. */
  requests: bigint({ mode: "bigint" }).notNull(),
  promptTokens: bigint("prompt_tokens", { mode: "bigint" }).notNull(),
  cachedTokens: bigint("cached_tokens", { mode: "bigint" }).notNull(),
  completionTokens: bigint("completion_tokens", { mode: "bigint" }).notNull(),
  quantity: bigint({ mode: "bigint" }).notNull(),
  costMicros: bigint("cost_micros", { mode: "bigint" }).notNull(),
};

/**
 * Rollup of the ledger by hour (UTC). Always equals the ledger, because a row and its share of the sums are written in
 * one transaction.
 */
export const usageHourly = pgTable(
  "usage_hourly",
  { ...dimensions, hour: timestamp({ withTimezone: true }).notNull(), ...sums },
  (t) => [
    primaryKey({
      name: "usage_hourly_pk",
      columns: [t.accountId, t.hour, t.model, t.deployment, t.keyId, t.userId, t.kind],
    }),
    index("usage_hourly_hour_index").using("brin", t.hour),
  ],
);

/** Rollup of the ledger by day (UTC); see `usageHourly`. */
export const usageDaily = pgTable(
  "usage_daily",
  { ...dimensions, day: timestamp({ withTimezone: true }).notNull(), ...sums },
  (t) => [
    primaryKey({
      name: "usage_daily_pk",
      columns: [t.accountId, t.day, t.model, t.deployment, t.keyId, t.userId, t.kind],
    }),
    index("usage_daily_day_index").using("brin", t.day),
  ],
);
