const MINUTE_MS = 60_000;
/** Each minute of sustained use adds a fifth of the minimum: twice the minimum after 10 minutes, 24 times after 120. */
const GROWTH = 1 / 5;
/** A minute counts as sustained use when at least this part of the limit was used in it. */
const SUSTAINED_USE = 0.8;

/**
 * Token bucket whose size and refill rate adapt to use. The bucket holds `limit` units and refills continuously by
 * `limit` units a minute. Each minute of sustained use raises the limit by a fifth of the minimum, and each other
 * minute lowers it by as much. A request that uses more than was left drives the level below zero, and the refill pays
 * the debt.
 */
export class AdaptiveLimit {
  readonly #minimum: number;
  /** Upper bound of the limit, in multiples of the minimum. */
  maxGrowth: number;
  #sustainedMinutes = 0;
  #level: number;
  /** Units used in the current minute by all requests, guaranteed or not. */
  #used = 0;
  /** Time up to which the bucket is refilled. */
  #atMs: number;
  #minuteEndMs: number;

  /** @param maxGrowth see the field. @param nowMs monotonic. */
  constructor(minimum: number, maxGrowth: number, nowMs: number) {
    this.#minimum = minimum;
    this.maxGrowth = maxGrowth;
    this.#level = minimum;
    this.#atMs = nowMs;
    this.#minuteEndMs = nowMs + MINUTE_MS;
  }

  /** Units per minute. */
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

  /** Takes over the growth that another gateway has seen, and fills the bucket. */
  adopt(sustainedMinutes: number): void {
    this.#sustainedMinutes = Math.min(
      this.maxGrowth / GROWTH,
      Math.max(this.#sustainedMinutes, sustainedMinutes),
    );
    this.#level = this.limit;
  }

  /** Takes units out of the bucket. @param amount negative: puts units back. */
  charge(amount: number): void {
    this.#level = Math.min(this.limit, this.#level - amount);
  }

  /** Counts use towards sustained use, without taking it out of the bucket. */
  use(amount: number): void {
    this.#used += amount;
  }

  /** Refills the bucket and adapts the limit up to `nowMs`. */
  roll(nowMs: number): void {
    while (nowMs >= this.#minuteEndMs) {
      const isIdle = this.#sustainedMinutes === 0 && this.#used === 0 && this.#level >= this.#minimum;
      // A full bucket at its minimum does not change, so skip all whole minutes at once.
      if (isIdle) this.#minuteEndMs += Math.floor((nowMs - this.#minuteEndMs) / MINUTE_MS) * MINUTE_MS;
      this.#refill(this.#minuteEndMs);
      this.#sustainedMinutes =
        this.#used >= SUSTAINED_USE * this.limit
          ? Math.min(this.maxGrowth / GROWTH, this.#sustainedMinutes + 1)
          : Math.max(0, this.#sustainedMinutes - 1);
      this.#used = 0;
      this.#minuteEndMs += MINUTE_MS;
    }
    this.#refill(nowMs);
  }

  #refill(nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    if (elapsedMs > 0) this.#level = Math.min(this.limit, this.#level + (this.limit * elapsedMs) / MINUTE_MS);
    this.#atMs = nowMs;
  }
}
