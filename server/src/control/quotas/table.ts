import { bigint, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

/** The limits of an account. There is a row of every kind once anybody has looked at the account's. */
export const quotas = pgTable(
  "quotas",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    /** Set by the account; null: the most that is allowed. */
    value: bigint({ mode: "bigint" }),
    /** Set by the operator; null: the default. */
    maxValue: bigint("max_value", { mode: "bigint" }),
    /** The platform's, as it was when anybody looked last. */
    defaultValue: bigint("default_value", { mode: "bigint" }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.id] })],
);
