import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** The audit log: who did what. Triggers make it append-only. Contains no request bodies and no secrets. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: text().primaryKey(),
    /** The account whose log has the entry. */
    accountId: text("account_id").notNull(),
    actorAccountId: text("actor_account_id").notNull(),
    userId: text("user_id").notNull(),
    keyId: text("key_id").notNull(),
    operation: text().notNull(),
    resource: text().notNull(),
    /** `OK`, or the error code. */
    outcome: text().notNull(),
    requestId: text("request_id").notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
  },
  (t) => [index("audit_log_account_id_create_time_index").on(t.accountId, t.createTime.desc(), t.id.desc())],
);
