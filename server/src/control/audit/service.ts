import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import type { Database } from "../../platform/db/database.ts";
import type { DatabaseLog } from "../../platform/db/embedded.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { RecordOperation } from "../../platform/http/operation-record.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import type { AuditEntry } from "./schema.ts";
import { type AuditRow, auditStore } from "./store.ts";

export interface Audit {
  /** Writes down what somebody did to a resource, or tried to. Never rejects. */
  record: RecordOperation;
  /** For admins. @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST. */
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ auditLogs: AuditEntry[]; nextPageToken: string; totalSize: number }>;
}

export function createAudit(deps: {
  database: Pick<Database, "db">;
  clock: Clock;
  log: DatabaseLog;
  /** Seals page tokens. */
  tokenSecret: Buffer;
}): Audit {
  const { clock, log } = deps;
  const store = auditStore(deps.database, deps.tokenSecret);
  return {
    async record({ principal, accountId, operationId, resource, outcome, requestId }) {
      const nowMs = clock.now();
      const row = {
        id: uuidv7Hex(nowMs),
        // Strangers leave nothing in an account's log, and don't learn from it whether it exists.
        accountId: principal.isOperator && accountId !== null ? accountId : principal.accountId,
        actorAccountId: principal.accountId,
        userId: principal.userId,
        keyId: principal.keyId,
        ...{ operation: operationId, resource, outcome, requestId, createTime: new Date(nowMs) },
      };
      await store.append(row).catch((err: unknown) => {
        log.error({ err, ...row }, "An operation could not be written to the audit log");
      });
    },
    async list(principal, accountId, query) {
      authorize(principal, accountId, "admin", `Account accounts/${accountId}`);
      const { rows, nextPageToken, totalSize } = await store.list(query, accountId);
      return { auditLogs: rows.map(toEntry), nextPageToken, totalSize };
    },
  };
}

function toEntry(row: AuditRow): AuditEntry {
  const { id, accountId, actorAccountId, userId, createTime, keyId, operation, resource, outcome } = row;
  return {
    name: `accounts/${accountId}/auditLogs/${id}`,
    createTime: createTime.toISOString(),
    actor: `accounts/${actorAccountId}/users/${userId}`,
    ...{ keyId, operation, resource, outcome, requestId: row.requestId },
  };
}
