import type { AccountLimiterState } from "./account-limiter.ts";
import type { SlidingWindowState } from "./sliding-window-limit.ts";

/** By subject: `{account}`, or `{account}/{key}` for a key with a limit of its own. */
export type PublishedStates = ReadonlyMap<string, AccountLimiterState | SlidingWindowState>;

export interface PeerState {
  subject: string;
  gateway: string;
  state: AccountLimiterState | SlidingWindowState;
  /** How long ago. */
  ageMs: number;
}

/** All times are of the store's clock. */
export interface PullResult {
  states: PeerState[];
  /** The others that live, with when they told last. */
  gateways: { id: string; toldAtMs: number }[];
  nowMs: number;
  /** Another one than before: the store may have lost what it was told. */
  epoch: string;
}

/** Where gateways leave word for each other. Once `publish` has settled, every later `pull` sees it. */
export interface LimitsStore {
  /** What others told since `sinceMs`, and which of them live. */
  pull(gateway: string, sinceMs: number): Promise<PullResult>;
  /** Tells that the gateway lives, and its states. */
  publish(gateway: string, states: PublishedStates): Promise<void>;
  /** Removes what is too old to matter to anyone. */
  prune(): Promise<void>;
  /** The gateway is no more. */
  close(gateway: string): Promise<void>;
}

/** A gateway that was silent for longer is taken for dead: twice the longest round. */
export const PEER_TIMEOUT_MS = 10_000;
/** Today's tokens, wherever the day began. */
export const STATE_TTL_MS = 26 * 3_600_000;
