import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../platform/db/database.ts";
import type { DatabaseLog } from "../../platform/db/embedded-postgres.ts";
import { PeerSync } from "./peer-sync.ts";
import type { LimitsStore } from "./port.ts";
import { postgresStore } from "./postgres-store.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { redisStore } from "./redis-store.ts";

export type { LimitsStore } from "./port.ts";

export interface LimitsOptions {
  clock: Clock;
  /** Shares what is used with the other gateways on the store, and keeps it over restarts. Absent: neither. */
  peerSync?: { store: LimitsStore; log: DatabaseLog };
  /** Most requests an account may make in a minute, over all models; see `setRequestLimits`. Default 6,000. */
  requestsPerMinute?: number;
  /** Requests one account may have in flight; a request for n choices counts n times. Default 1,000. */
  maxInFlight?: number;
  /** Of a model, by its full name; null: unknown. Default: unknown. */
  parametersOf?: (model: string) => number | null;
  /** Whether what is asked of the deployment waits for long. Default: never. */
  isOverloaded?: (deployment: string) => boolean;
}

/** Where a request goes. */
export interface LimitScope {
  /** Full name. */
  model: string;
  deployment: string;
  /** `deployment`: the account's own deployment, which nobody else can crowd: it has no limits but those of keys. */
  isolation: "account" | "deployment";
}

/** What a request will use at most, or presumably. */
export interface RequestEstimate {
  /** Choices. */
  n: number;
  /** Bytes of its body. */
  bodySizeBytes: number;
  /** Most tokens a choice. */
  maxTokens: number;
}

export interface TokenUse {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A request that was let in. */
export interface Admission {
  /** Beyond the guaranteed limits: others go first. */
  readonly isOverLimit: boolean;
  /**
   * The reply's headers on its account's limits, names and values alternating.
   * @param use so far. @param isWhole nothing will be added to it.
   */
  headers(use: TokenUse, isWhole: boolean): readonly string[];
  /** The request is over, however it went. Again: does nothing. */
  settle(use: TokenUse): void;
}

/** Requests in a minute that an account may make otherwise than by default. */
export interface AccountRequestLimits {
  /** Null: the default. */
  requestsPerMinute: number | null;
  /** By the key's id. */
  keys: ReadonlyMap<string, number>;
}

export interface Limits {
  /**
   * Lets a request in, or not. Asks no database.
   * @throws AppError RATE_LIMIT_EXCEEDED with `retryAfterS`: too many requests in flight or in this minute, too many
   * tokens on this day, or beyond the guaranteed limits while the deployment is overloaded.
   */
  admit(
    principal: { readonly accountId: string; readonly keyId: string },
    destination: LimitScope,
    ask: RequestEstimate,
  ): Admission;
  /** Of one account, for metrics. */
  inFlight(accountId: string): number;
  /** Takes the place of what was set before; by account. */
  setRequestLimits(caps: ReadonlyMap<string, AccountRequestLimits>): void;
  /** Tells the other gateways and hears of them, as happens all the time by itself. */
  syncPeers(): Promise<void>;
  /** Tells what was not told yet, and closes the store. */
  close(): Promise<void>;
}

/**
 * Where gateways tell each other of their requests: in their database, or in a Redis.
 * @throws Error when the Redis can't be used; the message says why and holds no secret.
 */
export async function openLimitsStore(options: {
  database: Pick<Database, "sql">;
  /** Null: in the database. */
  redisUrl: string | null;
  log: DatabaseLog;
}): Promise<LimitsStore> {
  const { database, redisUrl, log } = options;
  return redisUrl === null ? postgresStore(database) : redisStore(redisUrl, log);
}

/**
 * Bounds what one account may ask, so that it can't take the whole platform for itself: hard limits, and guaranteed ones
 * beyond which others go first.
 */
export async function createLimits(options: LimitsOptions): Promise<Limits> {
  const { clock, peerSync: share } = options;
  const registry = new RateLimiter(options);
  const sharing = share && new PeerSync(registry, share.store, clock, share.log);
  await sharing?.start();
  return {
    admit: (principal, destination, ask) => registry.admit(principal, destination, ask),
    inFlight: (accountId) => registry.accounts.get(accountId)?.inFlight ?? 0,
    setRequestLimits: (caps) => registry.setRequestLimits(caps),
    syncPeers: async () => sharing?.sync(),
    close: async () => sharing?.close(),
  };
}
