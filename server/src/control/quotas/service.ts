import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { startRefreshLoop } from "../../lib/refresh-loop.ts";
import type { AccountRequestLimits } from "../../metering/limits/service.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { Principal } from "../accounts/service.ts";
import { KeyedMutex } from "./keyed-mutex.ts";
import {
  acceleratorQuotaId,
  defaultQuotas,
  keyIdOfQuota,
  type MeasuredQuotaId,
  type QuotaId,
} from "./quota-ids.ts";
import { type AcceleratorSource, type QuotaSource, QuotaSources } from "./quota-sources.ts";
import type { Quota, QuotaBody, UpdateQuotaQuery } from "./schema.ts";
import { QUOTAS_CHANNEL, type QuotaRow, quotaStore } from "./store.ts";
import { effectiveValue, QuotaResource } from "./view.ts";

export type { MeasuredQuotaId, QuotaId } from "./quota-ids.ts";
export type { QuotaSource } from "./quota-sources.ts";

export interface QuotasDeps {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: BasicLog;
  tokenSecret: Buffer;
  accounts: { exists(accountId: string): Promise<boolean> };
  /** The subset of the ids that are keys of the account. */
  existingKeys: (accountId: string, keyIds: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Default limit of an account. */
  requestsPerMinute: number;
  /** Region of the platform; null: unknown. */
  region: string | null;
}

/** Methods that take a principal throw NOT_FOUND for another account. */
export interface Quotas {
  /** Connects a quota with the part that knows its usage. @throws Error when the quota has a source already. */
  register(id: MeasuredQuotaId, source: QuotaSource): void;
  /** The same for the quotas of all accelerator types. */
  registerAccelerators(source: AcceleratorSource): void;
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ quotas: Quota[]; nextPageToken: string; totalSize: number }>;
  get(principal: Principal, accountId: string, id: string): Promise<Quota>;
  /**
   * For admins; only the operator changes `maxValue`. `allowMissing` creates the limit of a key when absent.
   * @throws AppError FORBIDDEN, BAD_REQUEST naming the field.
   */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    query: UpdateQuotaQuery,
    body: QuotaBody,
  ): Promise<Quota>;
  /** The limit in force, from memory. */
  valueOf(accountId: string, id: QuotaId): number;
  /**
   * Runs `work`, which adds `increase` to the account's usage, unless the usage would exceed the quota. Calls for one
   * account run one after the other, across all processes on the database.
   * @throws AppError RATE_LIMIT_EXCEEDED naming the quota.
   */
  within<T>(accountId: string, id: QuotaId, increase: number, work: () => Promise<T>): Promise<T>;
  /**
   * Like `within`, for accelerators of a type.
   * @param others counts the accelerators of the account's other deployments.
   */
  withinAccelerators<T>(
    accountId: string,
    type: string,
    count: number,
    others: () => Promise<number>,
    work: () => Promise<T>,
  ): Promise<T>;
  /** Limits on requests per minute by account; only accounts that have changed some. */
  requestLimits(): ReadonlyMap<string, AccountRequestLimits>;
  /** Calls `listener` now and whenever a quota may have changed. */
  onChange(listener: () => void): void;
  /** @throws Error naming the quotas that have no source. */
  start(): void;
  close(): Promise<void>;
}

const REFRESH_MS = 15_000;
/**
 * Each check occupies a connection for its lock while its work needs further ones. If all connections could hold locks,
 * the checks would deadlock.
 */
const MAX_HELD_CONNECTIONS = 3;

/** Loads the changed quotas into memory and keeps them up to date. */
export async function createQuotas(deps: QuotasDeps): Promise<Quotas> {
  const { database, clock, log } = deps;
  const store = quotaStore(database, deps.tokenSecret);
  const listeners: (() => void)[] = [];
  let byAccount = new Map<string, Map<string, QuotaRow>>();
  const refreshLoop = startRefreshLoop(
    async () => {
      const rows = await store.listOverrides();
      byAccount = new Map();
      for (const row of rows) {
        const accountRows = byAccount.get(row.accountId) ?? new Map<string, QuotaRow>();
        byAccount.set(row.accountId, accountRows.set(row.id, row));
      }
      for (const listener of listeners) listener();
    },
    {
      everyMs: REFRESH_MS,
      clock,
      onFailure: (err) => log.warn({ err }, "Quotas can't be reloaded; the last known ones stay in force"),
    },
  );
  await refreshLoop.refresh();
  const unlisten = await database.listen(QUOTAS_CHANNEL, refreshLoop.refreshInBackground);
  const sources = new QuotaSources();
  const defaults = defaultQuotas(deps.requestsPerMinute, deps.region);
  const resource = new QuotaResource({ ...deps, store, sources, defaults, refresh: refreshLoop.refresh });
  const accountMutex = new KeyedMutex(MAX_HELD_CONNECTIONS);

  function limitOf(accountId: string, id: string): number {
    return limitIn(byAccount.get(accountId)?.get(id) ?? null, id);
  }

  function limitIn(row: QuotaRow | null, id: string): number {
    const isSet = row !== null && (row.value !== null || row.maxValue !== null);
    return Number(isSet ? effectiveValue(row) : (defaults.get(id) ?? 0n));
  }

  function oneByOne<T>(accountId: string, work: () => Promise<T>): Promise<T> {
    return accountMutex.runExclusive(accountId, () => store.withAccountLock(accountId, work));
  }

  async function refuseAbove(accountId: string, id: string, wanted: number): Promise<void> {
    // Read the database instead of memory, because another process may have changed the quota a moment ago.
    const limit = limitIn(await store.get(accountId, id), id);
    if (wanted <= limit) return;
    throw new AppError(
      "RATE_LIMIT_EXCEEDED",
      `accounts/${accountId}/quotas/${id} is ${limit}; this would make it ${wanted}.`,
    );
  }

  return {
    register: (id, source) => sources.register(id, source),
    registerAccelerators: (source) => sources.registerAccelerators(source),
    list: (principal, accountId, query) => resource.list(principal, accountId, query),
    get: (principal, accountId, id) => resource.get(principal, accountId, id),
    update: (principal, accountId, id, query, body) => resource.update(principal, accountId, id, query, body),
    valueOf: limitOf,
    within: (accountId, id, increase, work) =>
      oneByOne(accountId, async () => {
        const used = (await sources.of(id)?.usageOf?.(accountId)) ?? 0;
        await refuseAbove(accountId, id, used + increase);
        return work();
      }),
    withinAccelerators: (accountId, type, count, others, work) =>
      oneByOne(accountId, async () => {
        await refuseAbove(accountId, acceleratorQuotaId(type, deps.region), (await others()) + count);
        const hours = (await sources.of("gpu-hours-per-month")?.usageOf?.(accountId)) ?? 0;
        await refuseAbove(accountId, "gpu-hours-per-month", Math.floor(hours) + 1);
        return work();
      }),
    requestLimits: () =>
      new Map([...byAccount].map(([accountId, rows]) => [accountId, requestLimitsOf(rows)])),
    onChange(listener) {
      listeners.push(listener);
      listener();
    },
    start: () => sources.assertComplete(),
    async close() {
      refreshLoop.stop();
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
