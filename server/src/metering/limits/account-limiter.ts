import { AdaptiveLimit } from "./adaptive-limit.ts";
import { type Peers, SlidingWindowLimit, type SlidingWindowState } from "./sliding-window-limit.ts";

/** A minute, at least. */
export const MINIMUM = { requests: 60, promptTokens: 60_000, generatedTokens: 6_000 } as const;

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

/** Requests, prompt tokens, generated tokens. */
export type LimitCounts = [requests: number, promptTokens: number, generatedTokens: number];

/** What other gateways must know of an account. All but `sustainedMinutes` are sums over the life of the gateway. */
export interface AccountLimiterState {
  cap: SlidingWindowState;
  /** To the guaranteed limits. */
  charged: LimitCounts;
  used: LimitCounts;
  sustainedMinutes: LimitCounts;
  /** Since the Unix epoch, UTC. */
  day: number;
  /** On that day, by size of the model. */
  dayTokens: number[];
}

/** What an account asks a completion to be when nothing is known of it. */
const INITIAL_EXPECTED_TOKENS = 256;
/** Weight of the newest request in the average. */
const EXPECTED_TOKENS_WEIGHT = 1 / 16;

/** All that is counted for one account. */
export class AccountLimiter {
  readonly windowLimit: SlidingWindowLimit;
  readonly adaptiveLimits: readonly [AdaptiveLimit, AdaptiveLimit, AdaptiveLimit];
  /** Of the keys that have a limit of their own. */
  readonly keyLimits = new Map<string, SlidingWindowLimit>();
  inFlight = 0;
  /** Tokens that a choice is expected to have. */
  expectedTokens = INITIAL_EXPECTED_TOKENS;
  /** Has something to tell other gateways. */
  isDirty = false;
  readonly #charged: LimitCounts = [0, 0, 0];
  readonly #used: LimitCounts = [0, 0, 0];
  /** Monotonic; here or elsewhere. */
  #usedAtMs: number;
  #day: number;
  /** On this day, in this gateway. */
  #dayTokens = [0, 0, 0];
  /** Of other gateways, what they told last. */
  readonly #peerTokens = new Map<string, { day: number; tokens: readonly number[] }>();

  /** @param nowMs monotonic. @param day UTC, since the Unix epoch. */
  constructor(requestsPerMinute: number, nowMs: number, day: number) {
    this.windowLimit = new SlidingWindowLimit(requestsPerMinute);
    const most = maxGrowthOf(requestsPerMinute);
    this.adaptiveLimits = [
      new AdaptiveLimit(MINIMUM.requests, most, nowMs),
      new AdaptiveLimit(MINIMUM.promptTokens, most, nowMs),
      new AdaptiveLimit(MINIMUM.generatedTokens, most, nowMs),
    ];
    this.#usedAtMs = nowMs;
    this.#day = day;
  }

  set requestsPerMinute(limit: number) {
    this.windowLimit.limit = limit;
    for (const guarantee of this.adaptiveLimits) guarantee.maxGrowth = maxGrowthOf(limit);
  }

  get isOver(): boolean {
    const [requests, promptTokens, generatedTokens] = this.adaptiveLimits;
    return requests.isExhausted || promptTokens.isExhausted || generatedTokens.isExhausted;
  }

  /** Brings it up to the time, at which it is in use. */
  roll(nowMs: number): void {
    this.#usedAtMs = nowMs;
    for (const guarantee of this.adaptiveLimits) guarantee.roll(nowMs);
  }

  /** @param what 0–2 as in LimitCounts. @param amount below 0: given back. */
  charge(what: 0 | 1 | 2, amount: number): void {
    this.adaptiveLimits[what].charge(amount);
    this.#charged[what] += amount;
  }

  use(what: 0 | 1 | 2, amount: number): void {
    this.adaptiveLimits[what].use(amount);
    this.#used[what] += amount;
    this.isDirty = true;
  }

  /** Takes what a choice had into account for what others will have. */
  learn(tokens: number): void {
    this.expectedTokens += (tokens - this.expectedTokens) * EXPECTED_TOKENS_WEIGHT;
  }

  tokensOn(day: number, sizeClass: number): number {
    this.#startDay(day);
    let tokens = this.#dayTokens[sizeClass]!;
    for (const told of this.#peerTokens.values()) {
      if (told.day === this.#day) tokens += told.tokens[sizeClass] ?? 0;
    }
    return tokens;
  }

  addTokens(day: number, sizeClass: number, tokens: number): void {
    this.#startDay(day);
    this.#dayTokens[sizeClass]! += tokens;
  }

  /** Nothing is left of it that anybody would miss. */
  isIdle(nowMs: number): boolean {
    return this.inFlight === 0 && nowMs - this.#usedAtMs > DAY_MS;
  }

  /** To be told, see `SlidingWindowLimit.propose`. */
  propose(nowMs: number, others: Peers): AccountLimiterState {
    const sustained = this.adaptiveLimits.map(({ sustainedMinutes }) => sustainedMinutes) as LimitCounts;
    return {
      cap: this.windowLimit.propose(nowMs, others),
      charged: [...this.#charged],
      used: [...this.#used],
      sustainedMinutes: sustained,
      day: this.#day,
      dayTokens: [...this.#dayTokens],
    };
  }

  /** What another gateway has told, and told before. See `SlidingWindowLimit.applyPeerState`. */
  applyPeerState(
    nowMs: number,
    gateway: string,
    state: AccountLimiterState,
    known: AccountLimiterState | null,
    isOld: boolean,
  ): void {
    this.roll(nowMs);
    this.windowLimit.applyPeerState(nowMs, gateway, state.cap, known?.cap ?? null, isOld);
    if (!isOld) {
      for (const what of [0, 1, 2] as const) {
        this.adaptiveLimits[what].charge(state.charged[what] - (known?.charged[what] ?? 0));
        this.adaptiveLimits[what].use(Math.max(0, state.used[what] - (known?.used[what] ?? 0)));
      }
    }
    this.#peerTokens.set(gateway, { day: state.day, tokens: state.dayTokens });
  }

  /** Goes on where other gateways are, or were. */
  adopt(sustainedMinutes: readonly number[]): void {
    for (const [what, guarantee] of this.adaptiveLimits.entries())
      guarantee.adopt(sustainedMinutes[what] ?? 0);
  }

  /** A clock that steps back over midnight stays on the day it was; one that was days ahead is not believed for long. */
  #startDay(day: number): void {
    if (day === this.#day || day === this.#day - 1) return;
    this.#day = day;
    this.#dayTokens = [0, 0, 0];
    for (const [gateway, told] of this.#peerTokens) if (told.day < day) this.#peerTokens.delete(gateway);
  }
}

/** The guarantees grow alike, and that of requests no further than their cap. */
function maxGrowthOf(requestsPerMinute: number): number {
  return Math.max(1, requestsPerMinute / MINIMUM.requests);
}
