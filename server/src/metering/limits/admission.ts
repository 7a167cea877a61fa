import type { Clock } from "../../lib/clock.ts";
import { type AccountLimiter, DAY_MS } from "./account-limiter.ts";
import { limitHeaders } from "./headers.ts";
import type { SlidingWindowLimit } from "./sliding-window-limit.ts";
import type { Admission, TokenUse } from "./types.ts";

const NO_HEADERS: readonly string[] = [];

/** A request that only counts as in flight, because it goes to the account's own deployment. */
export class InFlightAdmission implements Admission {
  readonly isOverLimit: boolean = false;
  protected readonly account: AccountLimiter;
  readonly #n: number;
  #isOpen = true;

  constructor(account: AccountLimiter, n: number) {
    this.account = account;
    this.#n = n;
    account.inFlight += n;
  }

  headers(_use: TokenUse, _isFinal: boolean): readonly string[] {
    return NO_HEADERS;
  }

  settle(use: TokenUse): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.account.inFlight -= this.#n;
    this.onSettled(use);
  }

  protected onSettled(_use: TokenUse): void {}
}

export interface ExpectedUsage {
  /** The limit of the request's API key, if the key has one. */
  keyLimit: SlidingWindowLimit | undefined;
  n: number;
  promptTokens: number;
  /** Per choice. */
  maxTokens: number;
  /** See `sizeClassOf`. */
  sizeClass: number;
  isOverLimit: boolean;
}

/**
 * A request that is subject to its account's limits. Within the guaranteed limits it is charged its expected tokens at
 * once, and the charge is corrected when the real tokens are known. Beyond the guaranteed limits it is not charged.
 */
export class ChargedAdmission extends InFlightAdmission {
  override readonly isOverLimit: boolean;
  readonly #clock: Clock;
  readonly #expectedUsage: ExpectedUsage;
  /** Tokens charged to the guaranteed limits so far. */
  #promptTokens = 0;
  #generatedTokens = 0;

  constructor(account: AccountLimiter, clock: Clock, expected: ExpectedUsage) {
    super(account, expected.n);
    this.#clock = clock;
    this.#expectedUsage = expected;
    const { n, promptTokens, maxTokens, isOverLimit } = expected;
    this.isOverLimit = isOverLimit;
    account.use(0, n);
    if (isOverLimit) return;
    account.charge(0, n);
    this.#setCharge(promptTokens, n * Math.min(maxTokens, Math.ceil(account.expectedTokens)));
  }

  override headers(use: TokenUse, isFinal: boolean): readonly string[] {
    const { account, isOverLimit } = this;
    const nowMs = this.#clock.monotonicMs();
    account.roll(nowMs);
    this.#setCharge(
      // Some engines report the prompt's tokens only at the end; keep the estimate until then.
      use.promptTokens > 0 ? use.promptTokens : this.#promptTokens,
      isFinal ? use.completionTokens : this.#generatedTokens,
    );
    return limitHeaders({ account, keyLimit: this.#expectedUsage.keyLimit, nowMs, isOverLimit });
  }

  protected override onSettled({ promptTokens, completionTokens }: TokenUse): void {
    const { account } = this;
    account.roll(this.#clock.monotonicMs());
    this.#setCharge(promptTokens, completionTokens);
    account.use(1, promptTokens);
    account.use(2, completionTokens);
    const day = Math.floor(this.#clock.now() / DAY_MS);
    account.addTokens(day, this.#expectedUsage.sizeClass, promptTokens + completionTokens);
    // Failed requests generate nothing and would pull the average of successful ones down.
    if (completionTokens > 0) account.learn(completionTokens / this.#expectedUsage.n);
  }

  /** Replaces the charge so far. */
  #setCharge(promptTokens: number, generatedTokens: number): void {
    if (this.isOverLimit) return;
    this.account.charge(1, promptTokens - this.#promptTokens);
    this.account.charge(2, generatedTokens - this.#generatedTokens);
    this.#promptTokens = promptTokens;
    this.#generatedTokens = generatedTokens;
  }
}
