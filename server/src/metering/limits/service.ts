import type { Database } from "../../platform/db/database.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import { PeerSync } from "./peer-sync.ts";
import type { LimitsStore } from "./port.ts";
import { postgresStore } from "./postgres-store.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { redisStore } from "./redis-store.ts";
import type { Limits, LimitsOptions } from "./types.ts";

export type { LimitsStore } from "./port.ts";
export type {
  AccountRequestLimits,
  Admission,
  LimitScope,
  Limits,
  LimitsOptions,
  RequestEstimate,
  TokenUse,
} from "./types.ts";

/**
 * Opens the store through which gateways share their request counts: PostgreSQL or Redis.
 * @throws Error when Redis can't be used; the message gives the reason and contains no secret.
 */
export async function openLimitsStore(options: {
  database: Pick<Database, "sql">;
  /** Null: use the database. */
  redisUrl: string | null;
  log: BasicLog;
}): Promise<LimitsStore> {
  const { database, redisUrl, log } = options;
  return redisUrl === null ? postgresStore(database) : redisStore(redisUrl, log);
}

/**
 * Rate limits of accounts and API keys, so that no account takes the whole platform. There are hard limits, beyond
 * which requests are refused, and guaranteed limits, beyond which requests of other accounts go first.
 */
export async function createLimits(options: LimitsOptions): Promise<Limits> {
  const rateLimiter = new RateLimiter(options);
  const peerSync =
    options.peerSync && new PeerSync({ rateLimiter, clock: options.clock, ...options.peerSync });
  await peerSync?.start();
  return {
    admit: (principal, scope, estimate) => rateLimiter.admit(principal, scope, estimate),
    inFlight: (accountId) => rateLimiter.accounts.get(accountId)?.inFlight ?? 0,
    setRequestLimits: (limits) => rateLimiter.setRequestLimits(limits),
    syncPeers: async () => peerSync?.sync(),
    close: async () => peerSync?.close(),
  };
}
