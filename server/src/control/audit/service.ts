import type { Clock } from "../../lib/clock.ts";
import { uuidv7Hex } from "../../lib/ids.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { AuditHook } from "../../platform/http/audit-hook.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import type { AuditEntry } from "./schema.ts";
import { auditStore } from "./store.ts";
import { toAuditEntry } from "./view.ts";

export interface Audit {
  /** Records a change of a resource, or an attempt. Never rejects. */
  record: AuditHook;
  /** For admins. @throws AppError NOT_FOUND, FORBIDDEN, BAD_REQUEST. */
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ auditLogs: AuditEntry[]; nextPageToken: string; totalSize: number }>;
  /** Deletes expired entries. Also runs by itself, every hour. */
  expire(): Promise<void>;
  close(): void;
}

const EXPIRE_EVERY_MS = 3_600_000;
const EXPIRE_BATCH = 5_000;
const DAY_MS = 24 * 3_600_000;
/** An API key that was passed as a resource name by mistake. It must not be logged. */
const KEY = /\bfw_[\w-]{8,}/g;

export function createAudit(deps: {
  database: Pick<Database, "db">;
  clock: Clock;
  log: BasicLog;
  /** Key for page tokens. */
  tokenSecret: Buffer;
  /** Entries older than this are deleted. */
  retentionDays: number;
}): Audit {
  const { clock, log, retentionDays } = deps;
  const store = auditStore(deps.database, deps.tokenSecret);
  const expiry = startRefreshLoop(
    async () => {
      const expired = new Date(clock.now() - retentionDays * DAY_MS);
      while ((await store.expire(expired, retentionDays * DAY_MS, EXPIRE_BATCH)) === EXPIRE_BATCH);
    },
    {
      everyMs: EXPIRE_EVERY_MS,
      clock,
      onFailure: (err) => log.warn({ err }, "Expired entries of the audit log can't be deleted yet"),
    },
  );
  expiry.refreshInBackground();
  return {
    async record({ principal, accountId, operationId, resource: requestedResource, outcome, requestId }) {
      const resource = requestedResource.replaceAll(KEY, "fw_…");
      const nowMs = clock.now();
      const row = {
        id: uuidv7Hex(nowMs),
        // Attempts on another account are recorded in the caller's own log. Only the operator acts in other accounts.
        accountId: principal.isOperator && accountId !== null ? accountId : principal.accountId,
        actorAccountId: principal.accountId,
        userId: principal.userId,
        keyId: principal.keyId,
        operation: operationId,
        resource,
        outcome,
        requestId,
        createTime: new Date(nowMs),
      };
      await store.append(row).catch((err: unknown) => {
        log.error({ err, ...row }, "An operation can't be written to the audit log");
      });
    },
    async list(principal, accountId, query) {
      authorize(principal, accountId, "admin", `Account accounts/${accountId}`);
      const { rows, nextPageToken, totalSize } = await store.list(query, accountId);
      return { auditLogs: rows.map(toAuditEntry), nextPageToken, totalSize };
    },
    expire: expiry.refresh,
    close: expiry.stop,
  };
}
