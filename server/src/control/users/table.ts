import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from "drizzle-orm/pg-core";

export const users = pgTable(
  "users",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    displayName: text("display_name").notNull(),
    /** Empty: no address. */
    email: text().notNull(),
    role: text({ enum: ["admin", "user", "contributor", "inference-user"] }).notNull(),
    /** The user is a program, not a person. */
    serviceAccount: boolean("service_account").notNull(),
    /** Operator of the platform. Only the start of the server sets it, for the user of the bootstrap key. */
    isOperator: boolean("is_operator").notNull(),
    state: text({ enum: ["READY"] })
      .notNull()
      .default("READY"),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    updateTime: timestamp("update_time", { withTimezone: true }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("users_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
    uniqueIndex("users_email_index").on(t.accountId, sql`lower(${t.email})`).where(sql`${t.email} <> ''`),
    uniqueIndex("users_operator_index").on(t.accountId).where(sql`${t.isOperator}`),
    check("users_role_check", sql`${t.role} in ('admin', 'user', 'contributor', 'inference-user')`),
    check("users_operator_check", sql`not ${t.isOperator} or ${t.role} = 'admin'`),
  ],
);
