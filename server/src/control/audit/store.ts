import { eq, sql } from "drizzle-orm";
import type { Database } from "../../platform/db/database.ts";
import { createListing, type ListQuery, type Page } from "../../platform/db/listing.ts";
import { auditLog } from "./table.ts";

export type AuditRow = typeof auditLog.$inferSelect;

export interface AuditStore {
  append(row: AuditRow): Promise<void>;
  list(query: ListQuery, accountId: string): Promise<Page<AuditRow>>;
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
    list: (query, accountId) => list(query, eq(owner, accountId), `audit ${accountId}`),
  };
}
