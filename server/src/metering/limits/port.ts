import type { AccountLimiterState } from "./account-limiter.ts";
import type { SlidingWindowState } from "./sliding-window-limit.ts";

/** Keys are subjects: `{account}`, or `{account}/{key}` for a key with a limit of its own. */
export type PublishedStates = ReadonlyMap<string, AccountLimiterState | SlidingWindowState>;

/** A limiter state that another gateway published. */
export interface PeerState {
  subject: string;
  gateway: string;
  state: AccountLimiterState | SlidingWindowState;
  /** Time since the peer published the state. */
  ageMs: number;
}

/** All points in time are by the store's clock. */
export interface PullResult {
  states: PeerState[];
  /** The other gateways that are alive, with their last publication. */
  gateways: { id: string; publishedAtMs: number }[];
  nowMs: number;
  /** Identifies one continuous history of the store. When it changes, the store may have lost earlier states. */
  epoch: string;
}

/**
 * Store through which gateways share limiter states. Once `publish` has settled, every later `pull` sees its states.
 */
export interface LimitsStore {
  /** Reads the states that peers published since `sinceMs`, and which peers are alive. */
  pull(gateway: string, sinceMs: number): Promise<PullResult>;
  /** Writes the gateway's heartbeat and its states. */
  publish(gateway: string, states: PublishedStates): Promise<void>;
  /** Deletes states that are too old to matter to any gateway. */
  prune(): Promise<void>;
  /** Deletes the gateway's heartbeat, so that its peers stop reserving a share for it, and disconnects. */
  close(gateway: string): Promise<void>;
}

/** A peer without a heartbeat for this long counts as dead: twice the longest time between two rounds. */
export const PEER_TIMEOUT_MS = 10_000;
/** Keeps the tokens of the current day, in whatever time zone the day began. */
export const STATE_TTL_MS = 26 * 3_600_000;
