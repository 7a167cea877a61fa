import type { AuditEntry } from "./schema.ts";
import type { AuditRow } from "./store.ts";

export function toAuditEntry(row: AuditRow): AuditEntry {
  return {
    name: `accounts/${row.accountId}/auditLogs/${row.id}`,
    createTime: row.createTime.toISOString(),
    actor: `accounts/${row.actorAccountId}/users/${row.userId}`,
    keyId: row.keyId,
    operation: row.operation,
    resource: row.resource,
    outcome: row.outcome,
    requestId: row.requestId,
  };
}
