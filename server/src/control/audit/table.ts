import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** Who did what; append-only, which the database sees to. No bodies, no secrets. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: text().primaryKey(),
    /** In whose log it is. */
    accountId: text("account_id").notNull(),
    actorAccountId: text("actor_account_id").notNull(),
    userId: text("user_id").notNull(),
    keyId: text("key_id").notNull(),
    operation: text().notNull(),
    resource: text().notNull(),
    /** `OK`, or the code of the refusal. */
    outcome: text().notNull(),
    requestId: text("request_id").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
  },
  (t) => [index("audit_log_account_id_create_time_index").on(t.accountId, t.createTime.desc(), t.id.desc())],
);
