import { sql } from "drizzle-orm";
import { index, integer, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

/** The work queue: keys to reconcile, and when. A row is deleted when its key needs no more work. */
export const workItems = pgTable(
  "work_items",
  {
    kind: text().notNull(),
    key: text().notNull(),
    /** `infinity` while a worker has claimed the item and no new request has come. */
    dueAt: timestamp("due_at", { withTimezone: true }).notNull(),
    /**
     * Set while a worker has claimed the item. When the time is past, the worker counts as dead and the item as due.
     */
    leaseUntil: timestamp("lease_until", { withTimezone: true }),
    /** Identifies a claim, so that a worker that has lost its lease can't write. */
    leaseToken: text("lease_token"),
    /** Consecutive failures. */
    failures: integer().notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.kind, t.key] }),
    index("work_items_next_index").on(t.kind, sql`coalesce(${t.leaseUntil}, ${t.dueAt})`),
  ],
);
