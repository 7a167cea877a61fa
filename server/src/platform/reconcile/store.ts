import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/database.ts";

/** NOTIFY channel for new work; the payload is the kind of work. */
export const WORK_CHANNEL = "hearth_work";

/** A database or a transaction in it. */
export type SqlExecutor = Pick<Database["db"], "execute">;

export interface Claim {
  key: string;
  /** Identifies this claim, so that a worker that has lost its lease can't write. */
  token: string;
  /** Consecutive failures before this claim. */
  failures: number;
}

export interface WorkStore {
  /** Claims up to `limit` due items until `leaseUntilMs`. No two workers get the same item. */
  claim(limit: number, nowMs: number, leaseUntilMs: number, token: string): Promise<Claim[]>;
  /** Extends the lease. @returns false when it is lost. */
  renew(claim: Claim, leaseUntilMs: number): Promise<boolean>;
  /**
   * Ends the claim. The item is due again at `dueAtMs`, or deleted if that is null. If it was requested again during
   * the claim, the earlier time applies. Writes nothing when the lease is lost.
   */
  release(claim: Claim, dueAtMs: number | null, failures: number): Promise<void>;
  /** When the next item is due; null: there are no items. */
  nextDueMs(): Promise<number | null>;
}

/**
 * Requests work on each key, at `dueAtMs` or earlier if the key is due earlier already. Call it in the transaction of
 * the change that needs the work, so that either both are committed or none.
 */
export async function addWork(
  db: SqlExecutor,
  kind: string,
  keys: readonly string[],
  dueAtMs: number,
): Promise<void> {
  if (keys.length === 0) return;
  const rows = sql.join(
    // Sort the keys, because two statements that lock rows in different orders would deadlock.
    [...new Set(keys)].sort().map((key) => sql`(${kind}, ${key}, ${time(dueAtMs)})`),
    sql`, `,
  );
  await db.execute(sql`
    insert into work_items (kind, key, due_at) values ${rows}
    on conflict (kind, key) do update set due_at = least(work_items.due_at, excluded.due_at)`);
  await db.execute(sql`select pg_notify(${WORK_CHANNEL}, ${kind})`);
}

export function workStore({ db }: Pick<Database, "db">, kind: string): WorkStore {
  return {
    async claim(limit, nowMs, leaseUntilMs, token) {
      const rows = await db.execute<{ key: string; failures: number }>(sql`
        update work_items w set due_at = 'infinity', lease_until = ${time(leaseUntilMs)}, lease_token = ${token}
        from (
          select key from work_items
          where kind = ${kind} and coalesce(lease_until, due_at) <= ${time(nowMs)}
          order by coalesce(lease_until, due_at) limit ${limit}
          for update skip locked
        ) due
        where w.kind = ${kind} and w.key = due.key
        returning w.key, w.failures`);
      return rows.map(({ key, failures }) => ({ key, failures, token }));
    },
    async renew(claim, leaseUntilMs) {
      const rows = await db.execute(sql`
        update work_items set lease_until = ${time(leaseUntilMs)} where ${isHeld(kind, claim)} returning 1`);
      return rows.length === 1;
    },
    async release(claim, dueAtMs, failures) {
      const dueAt = dueAtMs === null ? sql`'infinity'` : time(dueAtMs);
      await db.execute(sql`
        with deleted as (
          delete from work_items where ${isHeld(kind, claim)} and due_at = 'infinity' and ${dueAtMs === null}
          returning 1
        )
        update work_items
        set due_at = least(due_at, ${dueAt}), lease_until = null, lease_token = null, failures = ${failures}
        where ${isHeld(kind, claim)} and not exists (select 1 from deleted)`);
    },
    async nextDueMs() {
      const [row] = await db.execute<{ ms: string | null }>(sql`
        select extract(epoch from min(coalesce(lease_until, due_at))) * 1000 as ms from work_items
        where kind = ${kind}`);
      return row?.ms == null ? null : Number(row.ms);
    },
  };
}

function isHeld(kind: string, { key, token }: Claim): SQL {
  return sql`kind = ${kind} and key = ${key} and lease_token = ${token}`;
}

function time(ms: number): SQL {
  return sql`${new Date(ms).toISOString()}::timestamptz`;
}
