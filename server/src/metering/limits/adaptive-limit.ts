const MINUTE_MS = 60_000;
/** A fifth of the minimum for every minute of sustained use: twice the minimum after ten, 24 times after two hours. */
const GROWTH = 1 / 5;
/** Use is near the limit from this part of it on. */
const NEAR = 0.8;

/**
 * A guaranteed limit: so much a minute, replenished continuously, growing while it is used and shrinking while it isn't,
 * a minute for a minute. What was guaranteed to a request and turns out to be more than was left is owed.
 */
export class AdaptiveLimit {
  readonly #minimum: number;
  /** So many times the minimum is the most that the limit grows to. */
  maxGrowth: number;
  #sustainedMinutes = 0;
  #level: number;
  /** In this minute, by all requests. */
  #used = 0;
  #atMs: number;
  #minuteEndMs: number;

  /** @param most times the minimum is what the limit may grow to. @param nowMs monotonic. */
  constructor(minimum: number, most: number, nowMs: number) {
    this.#minimum = minimum;
    this.maxGrowth = most;
    this.#level = minimum;
    this.#atMs = nowMs;
    this.#minuteEndMs = nowMs + MINUTE_MS;
  }

  get limit(): number {
    return Math.max(this.#minimum, this.#minimum * GROWTH * this.#sustainedMinutes);
  }

  /** Never below 0. */
  get remaining(): number {
    return Math.max(0, Math.floor(this.#level));
  }

  get isExhausted(): boolean {
    return this.#level < 1;
  }

  get sustainedMinutes(): number {
    return this.#sustainedMinutes;
  }

  /** As another gateway saw it. */
  adopt(sustainedMinutes: number): void {
    this.#sustainedMinutes = Math.min(
      this.maxGrowth / GROWTH,
      Math.max(this.#sustainedMinutes, sustainedMinutes),
    );
    this.#level = this.limit;
  }

  /** @param amount below 0: given back. */
  charge(amount: number): void {
    this.#level = Math.min(this.limit, this.#level - amount);
  }

  use(amount: number): void {
    this.#used += amount;
  }

  /** Brings it up to the time. */
  roll(nowMs: number): void {
    while (nowMs >= this.#minuteEndMs) {
      const isIdle = this.#sustainedMinutes === 0 && this.#used === 0 && this.#level >= this.#minimum;
      // Nothing changes any more: the minutes until now need not be counted one by one.
      if (isIdle) this.#minuteEndMs += Math.floor((nowMs - this.#minuteEndMs) / MINUTE_MS) * MINUTE_MS;
      this.#refill(this.#minuteEndMs);
      const isNear = this.#used >= NEAR * this.limit;
      this.#sustainedMinutes = isNear
        ? Math.min(this.maxGrowth / GROWTH, this.#sustainedMinutes + 1)
        : Math.max(0, this.#sustainedMinutes - 1);
      this.#used = 0;
      this.#minuteEndMs += MINUTE_MS;
    }
    this.#refill(nowMs);
  }

  #refill(nowMs: number): void {
    const passedMs = nowMs - this.#atMs;
    if (passedMs > 0) this.#level = Math.min(this.limit, this.#level + (this.limit * passedMs) / MINUTE_MS);
    this.#atMs = nowMs;
  }
}
