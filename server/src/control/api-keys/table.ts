import { boolean, index, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/**
 * The digest finds the key; the key itself is never stored. A key belongs to a user of its account and goes with it (the
 * migration has the foreign key: tables of other domains are not seen from here).
 */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    userId: text("user_id").notNull(),
    displayName: text("display_name").notNull(),
    /** The key's first characters, so that people can tell their keys apart. */
    prefix: text().notNull(),
    /** HMAC-SHA256 of the key under the platform's pepper, hexadecimal. */
    digest: text().notNull().unique(),
    annotations: jsonb().$type<Record<string, string>>().notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    expireTime: timestamp("expire_time", { withTimezone: true }),
    /** Does not work for as long as this is set. */
    disabled: boolean().notNull().default(false),
    /** Deleted keys stay known: a key that was deleted once never works again, whoever brings it back. */
    deleteTime: timestamp("delete_time", { withTimezone: true }),
    /** Up to a minute late. */
    lastUsedTime: timestamp("last_used_time", { withTimezone: true }),
  },
  (t) => [index("api_keys_account_id_create_time_index").on(t.accountId, t.createTime, t.id)],
);
