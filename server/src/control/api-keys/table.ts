import { sql } from "drizzle-orm";
import { check, index, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** The digest finds the key; the key itself is never stored. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    name: text().notNull(),
    /** The key's first characters, so that people can tell their keys apart. */
    prefix: text().notNull(),
    /** HMAC-SHA256 of the key under the platform's pepper, hexadecimal. */
    digest: text().notNull().unique(),
    role: text({ enum: ["admin", "user"] }).notNull(),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
    expiresAt: timestamp("expires_at", { withTimezone: true }),
    disabledAt: timestamp("disabled_at", { withTimezone: true }),
  },
  (t) => [
    index("api_keys_account_id_index").on(t.accountId),
    check("api_keys_role_check", sql`${t.role} in ('admin', 'user')`),
  ],
);

/** Secrets that all processes of one installation share. Made once, never changed. */
export const platformSecrets = pgTable("platform_secrets", {
  name: text().primaryKey(),
  value: text().notNull(),
});
