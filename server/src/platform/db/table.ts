import { bigint, pgTable, primaryKey, text } from "drizzle-orm/pg-core";

/** Number of rows of a table for each value of one of its columns. Triggers keep it up to date, see migration 0001. */
export const listingCounts = pgTable(
  "listing_counts",
  {
    tableName: text("table_name").notNull(),
    key: text().notNull(),
    count: bigint({ mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.tableName, t.key] })],
);

/** Secrets that all processes of an installation share. Created once and never changed. */
export const platformSecrets = pgTable("platform_secrets", {
  name: text().primaryKey(),
  value: text().notNull(),
});
