import { sql } from "drizzle-orm";
import { index, integer, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

/** What is to be looked at, and when. A row goes once there is nothing left to do for its key. */
export const workItems = pgTable(
  "work_items",
  {
    kind: text().notNull(),
    key: text().notNull(),
    /** `infinity` while a worker has it and nobody has asked again. */
    dueAt: timestamp("due_at", { withTimezone: true }).notNull(),
    /** Set while a worker has it; once it is past, the worker counts as dead and the item as due. */
    leaseUntil: timestamp("lease_until", { withTimezone: true }),
    /** Names one claim, so that a worker that lost its lease writes nothing. */
    leaseToken: text("lease_token"),
    /** Failures in a row. */
    failures: integer().notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.kind, t.key] }),
    index("work_items_next_index").on(t.kind, sql`coalesce(${t.leaseUntil}, ${t.dueAt})`),
  ],
);
