import { pgTable, text, timestamp } from "drizzle-orm/pg-core";

export const accounts = pgTable("accounts", {
  id: text().primaryKey(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
});
