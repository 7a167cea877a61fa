import { bigint, pgTable, primaryKey, text } from "drizzle-orm/pg-core";

/** How many rows a table has for each value of one of its columns; kept by triggers, see migration 0001. */
export const listingCounts = pgTable(
  "listing_counts",
  {
    tableName: text("table_name").notNull(),
    key: text().notNull(),
    count: bigint({ mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tableName, t.key] })],
);

/** Secrets that all processes of one installation share. Made once, never changed. */
export const platformSecrets = pgTable("platform_secrets", {
  name: text().primaryKey(),
  value: text().notNull(),
});
