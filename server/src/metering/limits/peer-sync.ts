import { randomBytes } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { BasicLog } from "../../platform/telemetry/log.ts";
import type { AccountLimiter, AccountLimiterState } from "./account-limiter.ts";
import { PeerTracker } from "./peer-tracker.ts";
import { type LimitsStore, type PeerState, type PullResult, STATE_TTL_MS } from "./port.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { SlidingWindowLimit, SlidingWindowState } from "./sliding-window-limit.ts";

const SYNC_INTERVAL_MS = 250;
/** How often a gateway without peers publishes. */
const ALONE_PUBLISH_MS = 2_000;
/** Time in which the peers notice a new gateway, and it notices them. */
export const JOIN_MS = 3 * SYNC_INTERVAL_MS;
const PRUNE_MS = 60_000;
const WINDOW_MS = 60_000;
/** Each pull starts this long before the end of the last one, to see states whose write was in progress then. */
const OVERLAP_MS = 2_000;

/** States to publish, and the limits that have to commit or roll back afterwards. */
interface Proposals {
  states: Map<string, AccountLimiterState | SlidingWindowState>;
  limits: { account: AccountLimiter; limit: SlidingWindowLimit; state: SlidingWindowState }[];
}

/**
 * Synchronizes the limits with those of the other gateways, four times a second and never while a request waits.
 *
 * A round has two phases: all changed limits propose their states, which are published; then the peers' states are
 * pulled and the limits commit, or roll back when the round failed. Publishing before pulling is what makes it safe: of
 * two gateways that claim requests at the same time, at least one sees the other's claim before using its own.
 */
export class PeerSync {
  readonly #rateLimiter: RateLimiter;
  readonly #store: LimitsStore;
  readonly #clock: Clock;
  readonly #log: BasicLog;
  /** Identifies this run of the process. */
  readonly #gateway = randomBytes(8).toString("hex");
  readonly #peerTracker: PeerTracker;
  /** The last applied state of each peer, by gateway and subject. */
  readonly #lastPeerStates = new Map<string, { state: PeerState["state"]; readAtMs: number }>();
  /** All states published before this time have been read, except writes in progress; by the store's clock. */
  #pulledUntilMs = 0;
  #epoch: string | null = null;
  /** The epoch has changed since the last complete round. */
  #isNewEpoch = false;
  /** The last round failed. */
  #isFailing = false;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #nextPruneMs = 0;
  #currentRound: Promise<void> | null = null;
  #cancel = (): void => {};

  constructor(options: { rateLimiter: RateLimiter; store: LimitsStore; clock: Clock; log: BasicLog }) {
    this.#rateLimiter = options.rateLimiter;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#peerTracker = new PeerTracker(options.clock.monotonicMs());
  }

  /** Reads all earlier states and starts the rounds. Settles when the peers, if any, know of this gateway. */
  async start(): Promise<void> {
    await this.sync();
    this.#schedule();
    if (this.#isAlone) return;
    await new Promise<void>((resolve) => this.#clock.after(JOIN_MS, resolve));
    await this.sync().catch(() => {});
  }

  /** Settles after a round that began after the call. */
  async sync(): Promise<void> {
    await this.#currentRound?.catch(() => {});
    return this.#startRound(true);
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.sync().catch(() => {});
    await this.#store.close(this.#gateway).catch(() => {});
  }

  get #isAlone(): boolean {
    return this.#peerTracker.peers.ids.size === 0;
  }

  #schedule(): void {
    this.#cancel = this.#clock.after(SYNC_INTERVAL_MS, () => {
      this.#schedule();
      this.#peerTracker.checkStaleness(this.#clock.monotonicMs());
      this.#rateLimiter.peers = this.#peerTracker.peers;
      if (this.#currentRound === null) this.#startRound(false).catch(() => {});
    });
  }

  /** Joins the round in progress, if any. @param mustPublish publish also when nobody would read it. */
  #startRound(mustPublish: boolean): Promise<void> {
    this.#currentRound ??= this.#runRound(mustPublish)
      .then(
        () => this.#setFailing(false),
        (err: unknown) => {
          this.#setFailing(true, err);
          throw err;
        },
      )
      .finally(() => {
        this.#currentRound = null;
      });
    return this.#currentRound;
  }

  #setFailing(isFailing: boolean, err?: unknown): void {
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    if (isFailing)
      this.#log.warn(
        { err },
        "Gateways can't share their request counts; each keeps to its share of the limits",
      );
    else this.#log.info({}, "Gateways share their request counts again");
  }

  async #runRound(mustPublish: boolean): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#isFailing || this.#isAlone) {
      // Pull first. If the store can't be reached, the round fails before any limit proposes and lowers its ceiling.
      const pulled = await this.#pull();
      const isDue = mustPublish || nowMs - this.#publishedAtMs >= ALONE_PUBLISH_MS;
      if (!isDue && this.#isAlone && pulled.gateways.length === 0) {
        this.#updatePeers(pulled);
        return;
      }
    }
    await this.#publishAndPull(this.#propose());
    if (nowMs < this.#nextPruneMs) return;
    this.#nextPruneMs = nowMs + PRUNE_MS;
    this.#rateLimiter.prune();
    for (const [name, { readAtMs }] of this.#lastPeerStates) {
      if (nowMs - readAtMs > STATE_TTL_MS) this.#lastPeerStates.delete(name);
    }
    await this.#store.prune();
  }

  #propose(): Proposals {
    const { accounts, peers } = this.#rateLimiter;
    const nowMs = this.#clock.monotonicMs();
    const proposals: Proposals = { states: new Map(), limits: [] };
    for (const [accountId, account] of accounts) {
      if (!account.isDirty) continue;
      account.isDirty = false;
      const state = account.propose(nowMs, peers);
      proposals.states.set(accountId, state);
      proposals.limits.push({ account, limit: account.windowLimit, state: state.cap });
      for (const [keyId, limit] of account.keyLimits) {
        const keyState = limit.propose(nowMs, peers);
        proposals.states.set(`${accountId}/${keyId}`, keyState);
        proposals.limits.push({ account, limit, state: keyState });
      }
    }
    return proposals;
  }

  async #publishAndPull({ states, limits }: Proposals): Promise<void> {
    let isInSync = false;
    try {
      await this.#store.publish(this.#gateway, states);
      this.#publishedAtMs = this.#clock.monotonicMs();
      isInSync = this.#updatePeers(await this.#pull());
    } finally {
      const nowMs = this.#clock.monotonicMs();
      for (const { account, limit, state } of limits) {
        if (isInSync) limit.commit(nowMs, state);
        else limit.rollback();
        // Propose again in the next round, so that a claim that turns out not to be needed is given back.
        if (!isInSync || state.ceiling > state.admitted) account.isDirty = true;
      }
    }
  }

  /** @returns whether the ceilings of all peers are known. */
  #updatePeers(pulled: PullResult): boolean {
    const isInSync = this.#peerTracker.update(this.#clock.monotonicMs(), pulled, this.#isNewEpoch);
    this.#isNewEpoch = false;
    this.#rateLimiter.peers = this.#peerTracker.peers;
    return isInSync;
  }

  async #pull(): Promise<PullResult> {
    const isFirst = this.#epoch === null;
    let pulled = await this.#store.pull(this.#gateway, isFirst ? 0 : this.#pulledUntilMs - OVERLAP_MS);
    if (!isFirst && pulled.epoch !== this.#epoch) {
      // The store may have lost states and may have another clock. Publish all accounts again, because a gateway that
      // starts now would otherwise not learn of them, and read everything again.
      this.#isNewEpoch = true;
      for (const account of this.#rateLimiter.accounts.values()) account.isDirty = true;
      pulled = await this.#store.pull(this.#gateway, 0);
    }
    this.#epoch = pulled.epoch;
    this.#pulledUntilMs = pulled.nowMs;
    for (const peerState of pulled.states)
      if (peerState.ageMs < STATE_TTL_MS) this.#applyPeerState(peerState, isFirst);
    return pulled;
  }

  #applyPeerState({ subject, gateway, state, ageMs }: PeerState, isFromBeforeStart: boolean): void {
    const name = `${gateway} ${subject}`;
    const last = this.#lastPeerStates.get(name)?.state;
    const order = last === undefined ? null : compareStates(windowStateOf(state), windowStateOf(last));
    if (order === "older") return;
    const previous = order === "newer" ? last! : null;
    const nowMs = this.#clock.monotonicMs();
    this.#lastPeerStates.set(name, { state, readAtMs: nowMs });
    const [accountId = "", keyId] = subject.split("/");
    const isNewAccount = !this.#rateLimiter.accounts.has(accountId);
    const account = this.#rateLimiter.account(accountId);
    if (keyId !== undefined) {
      account.keyLimits.get(keyId)?.applyPeerState(nowMs, {
        gateway,
        state: withoutExpiredWindow(state as SlidingWindowState, ageMs),
        previous: previous as SlidingWindowState | null,
        isFromBeforeStart,
      });
      return;
    }
    const accountState = state as AccountLimiterState;
    const idleMinutes = Math.floor(ageMs / WINDOW_MS);
    if (isNewAccount || isFromBeforeStart)
      account.adopt(accountState.sustainedMinutes.map((minutes) => minutes - idleMinutes));
    account.applyPeerState(nowMs, {
      gateway,
      state: { ...accountState, cap: withoutExpiredWindow(accountState.cap, ageMs) },
      previous: previous as AccountLimiterState | null,
      isFromBeforeStart,
    });
  }
}

function windowStateOf(state: AccountLimiterState | SlidingWindowState): SlidingWindowState {
  return "cap" in state ? state.cap : state;
}

/**
 * How a state relates to the last one of the same peer and subject. `older`: the store lost the newer state.
 * `recreated`: the peer forgot the limit and counts from zero again.
 */
function compareStates(state: SlidingWindowState, last: SlidingWindowState): "older" | "newer" | "recreated" {
  if (state.born !== last.born) return state.born > last.born ? "recreated" : "older";
  return state.admitted < last.admitted ? "older" : "newer";
}

/**
 * Drops the window of a state that is older than a minute: its requests have left the window, and its ceiling is void.
 */
function withoutExpiredWindow(state: SlidingWindowState, ageMs: number): SlidingWindowState {
  return ageMs < WINDOW_MS ? state : { ...state, inWindow: 0, ceiling: state.admitted };
}
