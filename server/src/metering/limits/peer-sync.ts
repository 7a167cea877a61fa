import { randomBytes } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { DatabaseLog } from "../../platform/db/embedded-postgres.ts";
import type { AccountLimiter, AccountLimiterState } from "./account-limiter.ts";
import { PeerTracker } from "./peer-tracker.ts";
import { type LimitsStore, type PeerState, type PullResult, STATE_TTL_MS } from "./port.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import type { SlidingWindowLimit, SlidingWindowState } from "./sliding-window-limit.ts";

const SYNC_INTERVAL_MS = 250;
/** While no other gateway is there to hear it. */
const ALONE_PUBLISH_MS = 2_000;
/** Until the others have heard of a new gateway, and it of them. */
export const JOIN_MS = 3 * SYNC_INTERVAL_MS;
const PRUNE_MS = 60_000;
const WINDOW_MS = 60_000;
/** What was being written while we read is read again. */
const OVERLAP_MS = 2_000;

interface Proposals {
  states: Map<string, AccountLimiterState | SlidingWindowState>;
  limits: { account: AccountLimiter; cap: SlidingWindowLimit; state: SlidingWindowState }[];
}

/**
 * Keeps gateways aware of each other's use, a quarter of a second late, and never while a request waits. Each tells what it
 * claims before it hears what others told: of two that claim at once, one at least hears of the other.
 */
export class PeerSync {
  readonly #rateLimiter: RateLimiter;
  readonly #store: LimitsStore;
  readonly #clock: Clock;
  readonly #log: DatabaseLog;
  readonly #gateway = randomBytes(8).toString("hex");
  readonly #peerTracker: PeerTracker;
  /** What each other gateway told last, by gateway and subject. */
  readonly #lastPeerStates = new Map<string, { state: PeerState["state"]; heardAtMs: number }>();
  /** The store's clock; what was told before is known. */
  #pulledUntilMs = 0;
  #epoch: string | null = null;
  /** Since the last whole exchange. */
  #isNewEpoch = false;
  /** The last exchange failed. */
  #isFailing = false;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #nextPruneMs = 0;
  #running: Promise<void> | null = null;
  #cancel = (): void => {};

  constructor(registry: RateLimiter, store: LimitsStore, clock: Clock, log: DatabaseLog) {
    this.#rateLimiter = registry;
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#peerTracker = new PeerTracker(clock.monotonicMs());
  }

  /** Hears what was told before this gateway began, and goes on by itself. Waits until the others have heard of it. */
  async start(): Promise<void> {
    await this.sync();
    this.#schedule();
    if (this.#isAlone) return;
    await new Promise<void>((resolve) => this.#clock.after(JOIN_MS, resolve));
    await this.sync().catch(() => {});
  }

  /** Settles after an exchange that began after the call. */
  async sync(): Promise<void> {
    await this.#running?.catch(() => {});
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
      if (this.#running === null) this.#startRound(false).catch(() => {});
    });
  }

  /** @param isAsked told is in any case. */
  #startRound(isAsked: boolean): Promise<void> {
    this.#running ??= this.#runRound(isAsked)
      .then(
        () => this.#setFailing(false),
        (err: unknown) => {
          this.#setFailing(true, err);
          throw err;
        },
      )
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  #setFailing(isTroubled: boolean, err?: unknown): void {
    if (isTroubled === this.#isFailing) return;
    this.#isFailing = isTroubled;
    if (isTroubled) this.#log.warn({ err }, "Gateways can't tell each other of their requests");
    else this.#log.info({}, "Gateways tell each other of their requests again");
  }

  async #runRound(isAsked: boolean): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#isFailing || this.#isAlone) {
      // Nothing is claimed, and so nothing given up, while the store can't be reached.
      const heard = await this.#pull();
      const isDue = isAsked || nowMs - this.#publishedAtMs >= ALONE_PUBLISH_MS;
      if (!isDue && this.#isAlone && heard.gateways.length === 0) {
        this.#updatePeers(heard);
        return;
      }
    }
    await this.#publishAndPull(this.#propose());
    if (nowMs < this.#nextPruneMs) return;
    this.#nextPruneMs = nowMs + PRUNE_MS;
    this.#rateLimiter.prune();
    for (const [name, { heardAtMs }] of this.#lastPeerStates) {
      if (nowMs - heardAtMs > STATE_TTL_MS) this.#lastPeerStates.delete(name);
    }
    await this.#store.prune();
  }

  #propose(): Proposals {
    const { accounts, peers: others } = this.#rateLimiter;
    const nowMs = this.#clock.monotonicMs();
    const states: Proposals["states"] = new Map();
    const caps: Proposals["limits"] = [];
    for (const [accountId, account] of accounts) {
      if (!account.isDirty) continue;
      account.isDirty = false;
      const state = account.propose(nowMs, others);
      states.set(accountId, state);
      caps.push({ account, cap: account.windowLimit, state: state.cap });
      for (const [keyId, cap] of account.keyLimits) {
        const own = cap.propose(nowMs, others);
        states.set(`${accountId}/${keyId}`, own);
        caps.push({ account, cap, state: own });
      }
    }
    return { states, limits: caps };
  }

  async #publishAndPull({ states, limits: caps }: Proposals): Promise<void> {
    let isKnown = false;
    try {
      await this.#store.publish(this.#gateway, states);
      this.#publishedAtMs = this.#clock.monotonicMs();
      isKnown = this.#updatePeers(await this.#pull());
    } finally {
      const nowMs = this.#clock.monotonicMs();
      for (const { account, cap, state } of caps) {
        if (isKnown) cap.commit(nowMs, state);
        else cap.rollback();
        // A part that turns out not to be needed is given back the next time.
        if (!isKnown || state.ceiling > state.admitted) account.isDirty = true;
      }
    }
  }

  /** @returns see PeerTracker.update. */
  #updatePeers(heard: PullResult): boolean {
    const isKnown = this.#peerTracker.update(this.#clock.monotonicMs(), heard, this.#isNewEpoch);
    this.#isNewEpoch = false;
    this.#rateLimiter.peers = this.#peerTracker.peers;
    return isKnown;
  }

  async #pull(): Promise<PullResult> {
    const isFirst = this.#epoch === null;
    let heard = await this.#store.pull(this.#gateway, isFirst ? 0 : this.#pulledUntilMs - OVERLAP_MS);
    if (!isFirst && heard.epoch !== this.#epoch) {
      // Its clock may be another one too. And who starts now has to hear of everything that is still of interest.
      this.#isNewEpoch = true;
      for (const account of this.#rateLimiter.accounts.values()) account.isDirty = true;
      heard = await this.#store.pull(this.#gateway, 0);
    }
    this.#epoch = heard.epoch;
    this.#pulledUntilMs = heard.nowMs;
    for (const one of heard.states) if (one.ageMs < STATE_TTL_MS) this.#applyPeerState(one, isFirst);
    return heard;
  }

  #applyPeerState({ subject, gateway, state, ageMs }: PeerState, isOld: boolean): void {
    const name = `${gateway} ${subject}`;
    const before = this.#lastPeerStates.get(name)?.state;
    const order = before === undefined ? null : compare(windowStateOf(state), windowStateOf(before));
    if (order === "older") return;
    const known = order === "later" ? before : null;
    const nowMs = this.#clock.monotonicMs();
    this.#lastPeerStates.set(name, { state, heardAtMs: nowMs });
    const [accountId = "", keyId] = subject.split("/");
    const isNew = !this.#rateLimiter.accounts.has(accountId);
    const account = this.#rateLimiter.account(accountId);
    if (keyId !== undefined) {
      const cap = withoutExpiredWindow(state as SlidingWindowState, ageMs);
      account.keyLimits
        .get(keyId)
        ?.applyPeerState(nowMs, gateway, cap, (known ?? null) as SlidingWindowState | null, isOld);
      return;
    }
    const heard = state as AccountLimiterState;
    const idleMinutes = Math.floor(ageMs / WINDOW_MS);
    if (isNew || isOld) account.adopt(heard.sustainedMinutes.map((minutes) => minutes - idleMinutes));
    const told = { ...heard, cap: withoutExpiredWindow(heard.cap, ageMs) };
    account.applyPeerState(nowMs, gateway, told, (known ?? null) as AccountLimiterState | null, isOld);
  }
}

function windowStateOf(state: AccountLimiterState | SlidingWindowState): SlidingWindowState {
  return "cap" in state ? state.cap : state;
}

/** `older`: the store has lost the newer word. `anew`: the gateway forgot what it had counted, and counts from nothing. */
function compare(state: SlidingWindowState, before: SlidingWindowState): "older" | "later" | "anew" {
  if (state.born !== before.born) return state.born > before.born ? "anew" : "older";
  return state.admitted < before.admitted ? "older" : "later";
}

/** What was told long ago says nothing of the last minute. */
function withoutExpiredWindow(cap: SlidingWindowState, ageMs: number): SlidingWindowState {
  return ageMs < WINDOW_MS ? cap : { ...cap, inWindow: 0, ceiling: cap.admitted };
}
