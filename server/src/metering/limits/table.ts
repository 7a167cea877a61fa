import { jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { AccountLimiterState } from "./account-limiter.ts";
import type { SlidingWindowState } from "./sliding-window-limit.ts";

/** What each gateway has let in, so that the others know. Rows are told anew as a whole; they go when they are old. */
export const limitStates = pgTable(
  "limit_states",
  {
    /** `{account}`, `{account}/{key}` for a key with a limit of its own; empty: the gateway itself, which lives. */
    subject: text().notNull(),
    /** Of one run of the process. */
    gateway: text().notNull(),
    state: jsonb().$type<AccountLimiterState | SlidingWindowState | null>().notNull(),
    /** The database's clock. */
    updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.subject, t.gateway] })],
);
