import { eq, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { auditLog } from "./table.ts";

export type AuditRow = typeof auditLog.$inferSelect;

export interface AuditStore {
  append(row: AuditRow): Promise<void>;
  /**
   * Deletes the oldest entries from before `expired`, at most `limit`. An entry also has to be older than `retentionMs`
   * by the database's clock, so that a wrong clock of this process deletes nothing too early.
   * @returns the number of deleted entries.
   */
  expire(expired: Date, retentionMs: number, limit: number): Promise<number>;
  list(query: ListQuery, accountId: string): Promise<Page<AuditRow>>;
}

/** A lower bound for the ids of entries from `time` on, because ids sort by time. */
function firstIdOf(time: Date): string {
  return time.getTime().toString(16).padStart(12, "0");
}

export function auditStore({ db }: Pick<Database, "db">, tokenSecret: Buffer): AuditStore {
  const { id, accountId: owner, actorAccountId, userId } = auditLog;
  const list = createListing({
    db,
    table: auditLog,
    fields: {
      name: { sql: sql`('accounts/' || ${owner} || '/auditLogs/' || ${id})`, type: "string", orderBy: id },
      actor: { sql: sql`('accounts/' || ${actorAccountId} || '/users/' || ${userId})`, type: "string" },
      keyId: { sql: sql`${auditLog.keyId}`, type: "string" },
      operation: { sql: sql`${auditLog.operation}`, type: "string" },
      resource: { sql: sql`${auditLog.resource}`, type: "string" },
      outcome: { sql: sql`${auditLog.outcome}`, type: "string" },
      requestId: { sql: sql`${auditLog.requestId}`, type: "string" },
      createTime: { sql: sql`${auditLog.createTime}`, type: "timestamp", orderBy: auditLog.createTime },
    },
    defaultOrder: "createTime desc",
    key: id,
    tokenSecret,
  });
  return {
    async append(row) {
      await db.insert(auditLog).values(row);
    },
    expire: (expired, retentionMs, limit) =>
      db.transaction(async (tx) => {
        const before = sql`least(${expired.toISOString()}::timestamptz, now() - ${`${retentionMs} ms`}::interval)`;
        // The table's trigger refuses all deletions but those of entries before this time.
        await tx.execute(sql`select set_config('hearth.audit_expired_before', (${before})::text, true)`);
        const rows = await tx.execute(sql`
          delete from ${auditLog} where ${id} in (
            select ${id} from ${auditLog}
            where ${id} < ${firstIdOf(expired)} and ${auditLog.createTime} < ${before}
            order by ${id} limit ${limit} for update skip locked)
          returning ${id}`);
        return rows.length;
      }),
    list: (query, accountId) => list(query, eq(owner, accountId), `audit ${accountId}`),
  };
}
