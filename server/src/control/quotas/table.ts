import { bigint, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

/** Quotas of accounts. An account's rows are created when its quotas are first read. */
export const quotas = pgTable(
  "quotas",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Set by the account; null: the maximum. */
    value: bigint({ mode: "bigint" }),
    /** Set by the operator; null: the default. */
    maxValue: bigint("max_value", { mode: "bigint" }),
    /** The platform's default when the quotas were last read. */
    defaultValue: bigint("default_value", { mode: "bigint" }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.id] })],
);
