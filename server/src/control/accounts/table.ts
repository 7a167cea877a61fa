import { sql } from "drizzle-orm";
import { bigint, pgTable, text, timestamp } from "drizzle-orm/pg-core";

export const ACCOUNT_TYPES = ["ACCOUNT_TYPE_UNSPECIFIED", "ENTERPRISE", "DEVELOPER", "BUSINESS"] as const;
export const SUSPEND_STATES = [
  "UNSUSPENDED",
  "FAILED_PAYMENTS",
  "CREDIT_DEPLETED",
  "MONTHLY_SPEND_LIMIT_EXCEEDED",
  "BLOCKED_BY_ABUSE_RULE",
] as const;

export const accounts = pgTable("accounts", {
  id: text().primaryKey(),
  displayName: text("display_name").notNull().default(""),
  /** Empty for accounts that the platform creates itself. */
  email: text().notNull().default(""),
  accountType: text("account_type", { enum: ACCOUNT_TYPES }).notNull().default("DEVELOPER"),
  state: text({ enum: ["READY"] })
    .notNull()
    .default("READY"),
  suspendState: text("suspend_state", { enum: SUSPEND_STATES }).notNull().default("UNSUSPENDED"),
  /** Monthly spending at which the account wants an alert. */
  spendThresholdsMicros: bigint("spend_thresholds_micros", { mode: "bigint" })
    .array()
    .notNull()
    .default(sql`'{}'`),
  createTime: timestamp("create_time", { withTimezone: true }).notNull(),
  updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
});
