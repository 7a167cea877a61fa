import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { LimitsStore } from "./port.ts";

export interface LimitsOptions {
  clock: Clock;
  /**
   * Shares usage with the other gateways through the store, and keeps it over restarts. Absent: this gateway counts
   * alone and starts from zero.
   */
  peerSync?: { store: LimitsStore; log: BasicLog };
  /** Most requests an account may make in a minute, over all models; see `setRequestLimits`. Default 6,000. */
  requestsPerMinute?: number;
  /** Requests one account may have in flight; a request for n choices counts n times. Default 1,000. */
  maxInFlight?: number;
  /** Parameter count of a model, by its full name; null: unknown. Default: always unknown. */
  parameterCountOf?: (model: string) => number | null;
  /** Whether requests for the deployment wait long in its queue. Default: never. */
  isOverloaded?: (deployment: string) => boolean;
}

/** The model and deployment that a request is for; they decide which limits apply. */
export interface LimitScope {
  /** Full name. */
  model: string;
  deployment: string;
  /**
   * `account`: the deployment is shared, so all limits apply. `deployment`: the account has the deployment to itself,
   * so only the limits of API keys and of requests in flight apply.
   */
  isolation: "account" | "deployment";
}

/** Expected use of a request, before it runs. */
export interface RequestEstimate {
  /** Choices. */
  n: number;
  /** Bytes of the request's body. */
  bodySizeBytes: number;
  /** Most tokens that one choice may generate. */
  maxTokens: number;
}

export interface TokenUse {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A request that passed the limits and has not been settled yet. */
export interface Admission {
  /** The account is beyond its guaranteed limits: requests of other accounts go first. */
  readonly isOverLimit: boolean;
  /**
   * The `x-ratelimit-*` response headers, names and values alternating; empty when no such limit applies.
   * @param use tokens used so far. @param isFinal whether `use` is complete.
   */
  headers(use: TokenUse, isFinal: boolean): readonly string[];
  /** Records the end of the request, successful or not. Idempotent. */
  settle(use: TokenUse): void;
}

/** Requests per minute that an account may make, where they differ from the default. */
export interface AccountRequestLimits {
  /** Null: the default. */
  requestsPerMinute: number | null;
  /** Requests per minute, by the API key's id. */
  keys: ReadonlyMap<string, number>;
}

export interface Limits {
  /**
   * Admits a request or refuses it. Decides from memory, without the database.
   * @throws AppError RATE_LIMIT_EXCEEDED with `retryAfterS`: too many requests in flight or in this minute, too many
   * tokens on this day, or beyond the guaranteed limits while the deployment is overloaded.
   */
  admit(
    principal: { readonly accountId: string; readonly keyId: string },
    scope: LimitScope,
    estimate: RequestEstimate,
  ): Admission;
  /** Requests of the account that are in flight in this gateway, for metrics. */
  inFlight(accountId: string): number;
  /** Replaces all limits that were set before. Keys are account ids; accounts without an entry have the default. */
  setRequestLimits(limits: ReadonlyMap<string, AccountRequestLimits>): void;
  /** Runs one round of peer sync now. Rounds also run by themselves, several times a second. */
  syncPeers(): Promise<void>;
  /** Publishes what peers don't know yet, and closes the store. */
  close(): Promise<void>;
}
