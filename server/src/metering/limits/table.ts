import { jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { AccountLimiterState } from "./account-limiter.ts";
import type { SlidingWindowState } from "./sliding-window-limit.ts";

/**
 * Limiter states that gateways publish for each other. A gateway overwrites its rows as a whole; `prune` deletes rows
 * that no gateway has refreshed for a day.
 */
export const limitStates = pgTable(
  "limit_states",
  {
    /**
     * `{account}`, or `{account}/{key}` for a key with a limit of its own. Empty: the heartbeat of the gateway itself.
     */
    subject: text().notNull(),
    /** Identifies one run of a gateway process. */
    gateway: text().notNull(),
    /** Null in heartbeats. */
    state: jsonb().$type<AccountLimiterState | SlidingWindowState | null>().notNull(),
    /** By the database's clock. */
    updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.subject, t.gateway] })],
);
