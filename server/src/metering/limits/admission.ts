import type { Clock } from "../../lib/clock.ts";
import { type AccountLimiter, DAY_MS } from "./account-limiter.ts";
import { limitHeaders } from "./headers.ts";
import type { Admission, TokenUse } from "./service.ts";
import type { SlidingWindowLimit } from "./sliding-window-limit.ts";

const NO_HEADERS: readonly string[] = [];

/** A request without limits but that of requests in flight. */
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

  headers(_use: TokenUse, _isWhole: boolean): readonly string[] {
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
  /** Its key's cap. */
  key: SlidingWindowLimit | undefined;
  n: number;
  promptTokens: number;
  /** A choice. */
  maxTokens: number;
  /** See sizeClassOf. */
  size: number;
  isOver: boolean;
}

/** A request within its account's limits, charged with what it is expected to use until that is known. */
export class ChargedAdmission extends InFlightAdmission {
  override readonly isOverLimit: boolean;
  readonly #clock: Clock;
  readonly #expectedUsage: ExpectedUsage;
  /** To the guaranteed limits. */
  #promptTokens = 0;
  #generatedTokens = 0;

  constructor(account: AccountLimiter, clock: Clock, expected: ExpectedUsage) {
    super(account, expected.n);
    this.#clock = clock;
    this.#expectedUsage = expected;
    const { n, promptTokens, maxTokens, isOver } = expected;
    this.isOverLimit = isOver;
    account.use(0, n);
    if (isOver) return;
    account.charge(0, n);
    this.#charge(promptTokens, n * Math.min(maxTokens, Math.ceil(account.expectedTokens)));
  }

  override headers(use: TokenUse, isWhole: boolean): readonly string[] {
    const { account } = this;
    const nowMs = this.#clock.monotonicMs();
    account.roll(nowMs);
    this.#charge(
      // Engines that don't tell the prompt's tokens at the start tell them at the end.
      use.promptTokens > 0 ? use.promptTokens : this.#promptTokens,
      isWhole ? use.completionTokens : this.#generatedTokens,
    );
    return limitHeaders(account, this.#expectedUsage.key, nowMs, this.isOverLimit);
  }

  protected override onSettled({ promptTokens, completionTokens }: TokenUse): void {
    const { account } = this;
    account.roll(this.#clock.monotonicMs());
    this.#charge(promptTokens, completionTokens);
    account.use(1, promptTokens);
    account.use(2, completionTokens);
    const day = Math.floor(this.#clock.now() / DAY_MS);
    account.addTokens(day, this.#expectedUsage.size, promptTokens + completionTokens);
    // A request that failed tells nothing of those that won't.
    if (completionTokens > 0) account.learn(completionTokens / this.#expectedUsage.n);
  }

  /** Brings what is charged to so much. */
  #charge(promptTokens: number, generatedTokens: number): void {
    if (this.isOverLimit) return;
    this.account.charge(1, promptTokens - this.#promptTokens);
    this.account.charge(2, generatedTokens - this.#generatedTokens);
    this.#promptTokens = promptTokens;
    this.#generatedTokens = generatedTokens;
  }
}
