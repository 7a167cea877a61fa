import { sql } from "drizzle-orm";
import {
  check,
  doublePrecision,
  index,
  integer,
  pgTable,
  smallint,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";

export const OUTCOMES = ["ok", "cancelled", "error", "rejected", "interrupted"] as const;

/** One row for every request, written once and never changed. */
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
    /** The HTTP status that was sent, 100–599; 499 when the client left before one was. */
    status: smallint().notNull(),
    startedAt: timestamp("started_at", { withTimezone: true }).notNull(),
  },
  (t) => [
    index("usage_records_account_id_started_at_index").on(t.accountId, t.startedAt),
    // Rows come in the order of time: this one costs next to nothing.
    index("usage_records_started_at_index").using("brin", t.startedAt),
    check(
      "usage_records_outcome_check",
      sql`${t.outcome} in ('ok', 'cancelled', 'error', 'rejected', 'interrupted')`,
    ),
  ],
);
