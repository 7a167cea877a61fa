import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { AccountRequestLimits } from "../../metering/limits/service.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { Principal } from "../accounts/service.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import { acceleratorQuotaId, defaultQuotas, keyIdOfQuota, type QuotaId } from "./quota-ids.ts";
import type { Quota, QuotaBody, UpdateQuotaQuery } from "./schema.ts";
import { QUOTAS_CHANNEL, type QuotaRow, quotaStore } from "./store.ts";
import { effectiveValue, QuotaResource } from "./view.ts";

export type { QuotaId } from "./quota-ids.ts";

/** What else is known of a quota. */
export interface QuotaSource {
  /** What the account has of it now. */
  usageOf?: (accountId: string) => Promise<number>;
  /** Takes the place of the default; null: no limit. */
  maxOf?: (accountId: string) => Promise<bigint | null>;
  /** What the account has set; null: as much as it may. */
  onSet?: (accountId: string, value: bigint | null) => Promise<void>;
}

export interface QuotasDeps {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: BasicLog;
  tokenSecret: Buffer;
  accounts: { exists(accountId: string): Promise<boolean> };
  /** Those of the ids that are keys of the account. */
  existingKeys: (accountId: string, keyIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** The platform's limit for an account. */
  requestsPerMinute: number;
  /** Where the platform is; null: not said. */
  region: string | null;
  sources: Partial<Record<QuotaId, QuotaSource>>;
  /** By type: what the account's deployments have, or may grow to. */
  acceleratorsOf: (accountId: string) => Promise<ReadonlyMap<string, number>>;
}

/** Those that take a principal throw NOT_FOUND for another account. */
export interface Quotas {
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ quotas: Quota[]; nextPageToken: string; totalSize: number }>;
  get(principal: Principal, accountId: string, id: string): Promise<Quota>;
  /**
   * For admins; `maxValue` for the operator alone. With `allowMissing`, the limit of a key is made.
   * @throws AppError FORBIDDEN, BAD_REQUEST naming the field.
   */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    query: UpdateQuotaQuery,
    body: QuotaBody,
  ): Promise<Quota>;
  /** What the account may have; asks no database. */
  valueOf(accountId: string, id: QuotaId): number;
  /**
   * Does `work`, by which the account comes to have `more` of something, unless that exceeds its quota. One after the
   * other for an account, over all processes on the database.
   * @throws AppError RATE_LIMIT_EXCEEDED naming the quota.
   */
  within<T>(accountId: string, id: QuotaId, more: number, work: () => Promise<T>): Promise<T>;
  /** The same for accelerators of a type. @param others what the account's other deployments have of it. */
  withinAccelerators<T>(
    accountId: string,
    type: string,
    count: number,
    others: () => Promise<number>,
    work: () => Promise<T>,
  ): Promise<T>;
  /** Requests in a minute by account and key, where somebody has set something. */
  requestLimits(): ReadonlyMap<string, AccountRequestLimits>;
  /** Calls `listener` now and whenever a quota may have changed. */
  onChange(listener: () => void): void;
  close(): Promise<void>;
}

const REFRESH_MS = 15_000;
/** Each holds a connection while its work needs others: so few that there are always others. */
const MAX_HELD_CONNECTIONS = 3;

/** Loads what accounts have set and keeps it fresh. */
export async function createQuotas(deps: QuotasDeps): Promise<Quotas> {
  const { database, clock, log } = deps;
  const store = quotaStore(database, deps.tokenSecret);
  const listeners: (() => void)[] = [];
  let byAccount = new Map<string, Map<string, QuotaRow>>();
  const fresh = startRefreshLoop(
    async () => {
      const rows = await store.listOverrides();
      byAccount = new Map();
      for (const row of rows) {
        const own = byAccount.get(row.accountId) ?? new Map<string, QuotaRow>();
        byAccount.set(row.accountId, own.set(row.id, row));
      }
      for (const listener of listeners) listener();
    },
    {
      everyMs: REFRESH_MS,
      clock,
      onFailure: (err) => log.warn({ err }, "Quotas can't be reloaded; the last known ones stay in force"),
    },
  );
  await fresh.refresh();
  const unlisten = await database.listen(QUOTAS_CHANNEL, fresh.refreshInBackground);
  const defaults = defaultQuotas(deps.requestsPerMinute, deps.region);
  const resource = new QuotaResource(deps, store, defaults, fresh.refresh);
  const turns = new KeyedMutex(MAX_HELD_CONNECTIONS);

  function limitOf(accountId: string, id: string): number {
    return limitIn(byAccount.get(accountId)?.get(id) ?? null, id);
  }

  function limitIn(row: QuotaRow | null, id: string): number {
    const isSet = row !== null && (row.value !== null || row.maxValue !== null);
    return Number(isSet ? effectiveValue(row) : (defaults.get(id) ?? 0n));
  }

  function oneByOne<T>(accountId: string, work: () => Promise<T>): Promise<T> {
    return turns.runExclusive(accountId, () => store.withAccountLock(accountId, work));
  }

  async function refuseAbove(accountId: string, id: string, wanted: number): Promise<void> {
    // Not what is known here, which another process may have changed a moment ago.
    const limit = limitIn(await store.get(accountId, id), id);
    if (wanted <= limit) return;
    throw new AppError(
      "RATE_LIMIT_EXCEEDED",
      `accounts/${accountId}/quotas/${id} is ${limit}; this would make it ${wanted}.`,
    );
  }

  return {
    list: (principal, accountId, query) => resource.list(principal, accountId, query),
    get: (principal, accountId, id) => resource.get(principal, accountId, id),
    update: (principal, accountId, id, query, body) => resource.update(principal, accountId, id, query, body),
    valueOf: limitOf,
    within: (accountId, id, more, work) =>
      oneByOne(accountId, async () => {
        const used = (await deps.sources[id]?.usageOf?.(accountId)) ?? 0;
        await refuseAbove(accountId, id, used + more);
        return work();
      }),
    withinAccelerators: (accountId, type, count, others, work) =>
      oneByOne(accountId, async () => {
        await refuseAbove(accountId, acceleratorQuotaId(type, deps.region), (await others()) + count);
        const hours = (await deps.sources["gpu-hours-per-month"]?.usageOf?.(accountId)) ?? 0;
        await refuseAbove(accountId, "gpu-hours-per-month", Math.floor(hours) + 1);
        return work();
      }),
    requestLimits: () =>
      new Map([...byAccount].map(([accountId, rows]) => [accountId, requestLimitsOf(rows)])),
    onChange(listener) {
      listeners.push(listener);
      listener();
    },
    async close() {
      fresh.stop();
      await unlisten();
    },
  };
}

function requestLimitsOf(rows: ReadonlyMap<string, QuotaRow>): AccountRequestLimits {
  const account = rows.get("requests-per-minute");
  const keys = [...rows].flatMap(([id, row]) => {
    const keyId = keyIdOfQuota(id);
    return keyId === null || row.value === null ? [] : [[keyId, Number(effectiveValue(row))] as const];
  });
  return {
    requestsPerMinute: account === undefined ? null : Number(effectiveValue(account)),
    keys: new Map(keys),
  };
}
