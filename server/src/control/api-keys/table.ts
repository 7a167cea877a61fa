import { boolean, index, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/**
 * A key is looked up by its digest; the key itself is never stored. It belongs to a user and is deleted with the user.
 * The foreign key is in the migration only, because this file does not import tables of other domains.
 */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: text().primaryKey(),
    accountId: text("account_id").notNull(),
    userId: text("user_id").notNull(),
    displayName: text("display_name").notNull(),
    /** The key's first characters, so that users can tell their keys apart. */
    prefix: text().notNull(),
    /** HMAC-SHA256 of the key under the platform's pepper, hexadecimal. */
    digest: text().notNull().unique(),
    annotations: jsonb().$type<Record<string, string>>().notNull(),
    createTime: timestamp("create_time", { withTimezone: true }).notNull(),
    expireTime: timestamp("expire_time", { withTimezone: true }),
    /** The key does not work while this is true. */
    disabled: boolean().notNull().default(false),
    /** Rows of deleted keys stay, so that a deleted key can never be added again. Null: not deleted. */
    deleteTime: timestamp("delete_time", { withTimezone: true }),
    /** Up to a minute late. Null: never used. */
    lastUsedTime: timestamp("last_used_time", { withTimezone: true }),
  },
  (t) => [index("api_keys_account_id_create_time_index").on(t.accountId, t.createTime, t.id)],
);
