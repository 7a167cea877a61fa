import { index, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

const time = (name: string) => timestamp(name, { withTimezone: true }).notNull();

export const sampleNotes = pgTable(
  "sample_notes",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    displayName: text("display_name").notNull(),
    description: text().notNull(),
    /** Id of the user. */
    createdBy: text("created_by").notNull(),
    createTime: time("create_time"),
    updateTime: time("update_time"),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    // Serves the pages of a list in their default order.
    index("sample_notes_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
  ],
);
