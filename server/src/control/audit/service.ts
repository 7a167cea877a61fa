import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { AuditHook } from "../../platform/http/audit-hook.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import type { AuditEntry } from "./schema.ts";
import { type AuditRow, auditStore } from "./store.ts";

export interface Audit {
  /** Writes down what somebody did to a resource, or tried to. Never rejects. */
  record: AuditHook;
  /** For admins. @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST. */
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ auditLogs: AuditEntry[]; nextPageToken: string; totalSize: number }>;
  /** Removes what has expired; happens by itself. */
  expire(): Promise<void>;
  close(): void;
}

const EXPIRE_EVERY_MS = 3_600_000;
const EXPIRE_AT_ONCE = 5_000;
const DAY_MS = 24 * 3_600_000;
/** A key where a name should be: somebody's mistake. */
const KEY = /\bfw_[\w-]{8,}/g;

export function createAudit(deps: {
  database: Pick<Database, "db">;
  clock: Clock;
  log: BasicLog;
  /** Seals page tokens. */
  tokenSecret: Buffer;
  /** How long entries are kept. */
  retentionDays: number;
}): Audit {
  const { clock, log, retentionDays } = deps;
  const store = auditStore(deps.database, deps.tokenSecret);
  const expiry = startRefreshLoop(
    async () => {
      const expired = new Date(clock.now() - retentionDays * DAY_MS);
      while ((await store.expire(expired, retentionDays * DAY_MS, EXPIRE_AT_ONCE)) === EXPIRE_AT_ONCE);
    },
    {
      everyMs: EXPIRE_EVERY_MS,
      clock,
      onFailure: (err) => log.warn({ err }, "Expired entries of the audit log can't be removed yet"),
    },
  );
  expiry.refreshInBackground();
  return {
    async record({ principal, accountId, operationId, resource: named, outcome, requestId }) {
      const resource = named.replaceAll(KEY, "fw_…");
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
    expire: expiry.refresh,
    close: expiry.stop,
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
