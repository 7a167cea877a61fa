import { sql } from "drizzle-orm";
import { check, index, integer, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

const time = (name: string) => timestamp(name, { withTimezone: true }).notNull();

/** Accelerators that an account pays for whether it uses them or not. */
export const reservations = pgTable(
  "reservations",
  {
    accountId: text("account_id").notNull(),
    id: text().notNull(),
    displayName: text("display_name").notNull(),
    description: text().notNull(),
    region: text().notNull(),
    multiRegion: text("multi_region").notNull(),
    acceleratorType: text("accelerator_type").notNull(),
    reservedCount: integer("reserved_count").notNull(),
    /** Inclusive. */
    startTime: time("start_time"),
    /** Exclusive. */
    endTime: time("end_time"),
    /** Email address of the operator who created the reservation. */
    createdBy: text("created_by").notNull(),
    createTime: time("create_time"),
    updateTime: time("update_time"),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.id] }),
    index("reservations_account_id_create_time_index").on(t.accountId, t.createTime, t.id),
    check("reservations_time_check", sql`${t.startTime} < ${t.endTime}`),
  ],
);
