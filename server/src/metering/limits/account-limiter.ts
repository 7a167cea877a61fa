import { AdaptiveLimit } from "./adaptive-limit.ts";
import {
  type Peers,
  type PeerUpdate,
  SlidingWindowLimit,
  type SlidingWindowState,
} from "./sliding-window-limit.ts";

/** Lowest guaranteed limits, per minute. */
const MINIMUM = { requests: 60, promptTokens: 60_000, generatedTokens: 6_000 } as const;

/** Tokens an account may use in a day (UTC), by the size of the models. */
export const TOKENS_PER_DAY = [
  { belowParameters: 40e9, tokens: 2_500_000_000, models: "models below 40B parameters" },
  { belowParameters: 100e9 + 1, tokens: 1_250_000_000, models: "models of 40B to 100B parameters" },
  {
    belowParameters: Number.POSITIVE_INFINITY,
    tokens: 600_000_000,
    models: "models above 100B parameters",
  },
] as const;

export const DAY_MS = 86_400_000;

/** Index into `TOKENS_PER_DAY`. @param parameters null: unknown, which counts as small. */
export function sizeClassOf(parameters: number | null): number {
  return TOKENS_PER_DAY.findIndex(({ belowParameters }) => (parameters ?? 0) < belowParameters);
}

/** Requests, prompt tokens, generated tokens: one number for each guaranteed limit. */
export type LimitCounts = [requests: number, promptTokens: number, generatedTokens: number];

/** Index into `LimitCounts`. */
export type LimitIndex = 0 | 1 | 2;

const LIMIT_INDEXES: readonly LimitIndex[] = [0, 1, 2];

/**
 * State of one account in one gateway, as published to its peers. `charged` and `used` are totals since
 * the gateway started, so that a peer that misses a publication loses nothing.
 */
export interface AccountLimiterState {
  /** The account's limit on requests per minute. */
  cap: SlidingWindowState;
  /** Charged to the guaranteed limits. */
  charged: LimitCounts;
  used: LimitCounts;
  sustainedMinutes: LimitCounts;
  /** Days since the Unix epoch, UTC. */
  day: number;
  /** Tokens used on that day, by size class. */
  dayTokens: number[];
}

/** Expected tokens of a choice before the account has completed any. */
const INITIAL_EXPECTED_TOKENS = 256;
/** Weight of the newest choice in the exponential moving average. */
const EXPECTED_TOKENS_WEIGHT = 1 / 16;

/** Counts the usage of one account and holds its limits. `RateLimiter` reads them and decides about requests. */
export class AccountLimiter {
  /** Requests per minute. */
  readonly windowLimit: SlidingWindowLimit;
  readonly adaptiveLimits: readonly [AdaptiveLimit, AdaptiveLimit, AdaptiveLimit];
  /** Requests per minute of API keys that have a limit of their own, by key id. */
  readonly keyLimits = new Map<string, SlidingWindowLimit>();
  inFlight = 0;
  /** Exponential moving average of the tokens that one choice generates. */
  expectedTokens = INITIAL_EXPECTED_TOKENS;
  /** The state has changed since it was last published, or has to be published for another reason. */
  isDirty = false;
  readonly #charged: LimitCounts = [0, 0, 0];
  readonly #used: LimitCounts = [0, 0, 0];
  /** Last use in this or another gateway; monotonic. */
  #usedAtMs: number;
  #day: number;
  /** Tokens used on `#day` in this gateway, by size class. */
  #dayTokens = [0, 0, 0];
  /** The last known day and tokens of each peer. */
  readonly #peerTokens = new Map<string, { day: number; tokens: readonly number[] }>();

  /** @param nowMs monotonic. @param day days since the Unix epoch, UTC. */
  constructor(requestsPerMinute: number, nowMs: number, day: number) {
    this.windowLimit = new SlidingWindowLimit(requestsPerMinute);
    const maxGrowth = maxGrowthOf(requestsPerMinute);
    this.adaptiveLimits = [
      new AdaptiveLimit(MINIMUM.requests, maxGrowth, nowMs),
      new AdaptiveLimit(MINIMUM.promptTokens, maxGrowth, nowMs),
      new AdaptiveLimit(MINIMUM.generatedTokens, maxGrowth, nowMs),
    ];
    this.#usedAtMs = nowMs;
    this.#day = day;
  }

  set requestsPerMinute(limit: number) {
    this.windowLimit.limit = limit;
    for (const adaptiveLimit of this.adaptiveLimits) adaptiveLimit.maxGrowth = maxGrowthOf(limit);
  }

  /** Whether any guaranteed limit is exhausted. */
  get isOver(): boolean {
    const [requests, promptTokens, generatedTokens] = this.adaptiveLimits;
    return requests.isExhausted || promptTokens.isExhausted || generatedTokens.isExhausted;
  }

  /** Brings the guaranteed limits up to `nowMs` and records use at that time. */
  roll(nowMs: number): void {
    this.#usedAtMs = nowMs;
    for (const adaptiveLimit of this.adaptiveLimits) adaptiveLimit.roll(nowMs);
  }

  /** @param amount negative: gives units back. */
  charge(index: LimitIndex, amount: number): void {
    this.adaptiveLimits[index].charge(amount);
    this.#charged[index] += amount;
  }

  use(index: LimitIndex, amount: number): void {
    this.adaptiveLimits[index].use(amount);
    this.#used[index] += amount;
    this.isDirty = true;
  }

  /** Updates the moving average with the tokens of one choice. */
  learn(tokens: number): void {
    this.expectedTokens += (tokens - this.expectedTokens) * EXPECTED_TOKENS_WEIGHT;
  }

  /** Tokens of the size class that all gateways used on the day. */
  tokensOn(day: number, sizeClass: number): number {
    this.#startDay(day);
    let tokens = this.#dayTokens[sizeClass]!;
    for (const peer of this.#peerTokens.values()) {
      if (peer.day === this.#day) tokens += peer.tokens[sizeClass] ?? 0;
    }
    return tokens;
  }

  addTokens(day: number, sizeClass: number, tokens: number): void {
    this.#startDay(day);
    this.#dayTokens[sizeClass]! += tokens;
  }

  /** Whether the account was not used for so long that forgetting its counts changes no decision. */
  isIdle(nowMs: number): boolean {
    return this.inFlight === 0 && nowMs - this.#usedAtMs > DAY_MS;
  }

  /** First phase of a round of peer sync, see `SlidingWindowLimit.propose`. */
  propose(nowMs: number, peers: Peers): AccountLimiterState {
    return {
      cap: this.windowLimit.propose(nowMs, peers),
      charged: [...this.#charged],
      used: [...this.#used],
      sustainedMinutes: this.adaptiveLimits.map((limit) => limit.sustainedMinutes) as LimitCounts,
      day: this.#day,
      dayTokens: [...this.#dayTokens],
    };
  }

  /** See `SlidingWindowLimit.applyPeerState`. */
  applyPeerState(nowMs: number, update: PeerUpdate<AccountLimiterState>): void {
    const { gateway, state, previous, isFromBeforeStart } = update;
    this.roll(nowMs);
    this.windowLimit.applyPeerState(nowMs, {
      gateway,
      state: state.cap,
      previous: previous?.cap ?? null,
      isFromBeforeStart,
    });
    if (!isFromBeforeStart) {
      for (const i of LIMIT_INDEXES) {
        this.adaptiveLimits[i].charge(state.charged[i] - (previous?.charged[i] ?? 0));
        this.adaptiveLimits[i].use(Math.max(0, state.used[i] - (previous?.used[i] ?? 0)));
      }
    }
    this.#peerTokens.set(gateway, { day: state.day, tokens: state.dayTokens });
  }

  /** Takes over the growth of the guaranteed limits from another gateway, running or ended. */
  adopt(sustainedMinutes: readonly number[]): void {
    for (const [i, adaptiveLimit] of this.adaptiveLimits.entries())
      adaptiveLimit.adopt(sustainedMinutes[i] ?? 0);
  }

  /**
   * Resets the counts of the day when a new day begins. A clock that steps back over midnight must not reset them, so
   * the day before is ignored. A clock that had been days ahead and is corrected does reset them; otherwise the wrong
   * day would last until the clock reached it.
   */
  #startDay(day: number): void {
    if (day === this.#day || day === this.#day - 1) return;
    this.#day = day;
    this.#dayTokens = [0, 0, 0];
    for (const [gateway, peer] of this.#peerTokens) if (peer.day < day) this.#peerTokens.delete(gateway);
  }
}

/** All guaranteed limits grow by the same factor, until the one of requests reaches the hard limit. */
function maxGrowthOf(requestsPerMinute: number): number {
  return Math.max(1, requestsPerMinute / MINIMUM.requests);
}
