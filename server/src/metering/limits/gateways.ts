import { PEER_TIMEOUT_MS, type PullResult } from "./port.ts";
import type { Others } from "./sliding-window-limit.ts";

/** Without a whole exchange for so long, the others must be heard anew. */
const TROUBLED_MS = 3_000;
/** What others told last holds no longer. */
const DEAF_MS = 5_000;

/** Which other gateways there are, and whether what they told is all that they may admit. Times are monotonic. */
export class Gateways {
  others: Others = { ids: new Set(), areHeard: true };
  /** Nothing that they may admit was unknown. */
  #knownAtMs: number;
  /** Those who must tell anew before what they may admit is known again. */
  #awaited = new Set<string>();
  /** The store's clock. */
  #awaitedSinceMs = 0;
  #awaitUntilMs = 0;

  constructor(nowMs: number) {
    this.#knownAtMs = nowMs;
  }

  /**
   * After an exchange.
   * @param isAnew the store may have lost what it was told.
   * @returns whether all that the others may admit is known.
   */
  meet(nowMs: number, { gateways, nowMs: storeMs }: PullResult, isAnew: boolean): boolean {
    const isLate = this.#awaited.size === 0 && nowMs - this.#knownAtMs > TROUBLED_MS;
    if (isAnew || isLate) {
      this.#awaited = new Set(this.others.ids);
      this.#awaitedSinceMs = storeMs;
      // They may take as long to find the store again before they are taken for dead.
      this.#awaitUntilMs = nowMs + PEER_TIMEOUT_MS;
    }
    for (const { id, toldAtMs } of gateways) if (toldAtMs >= this.#awaitedSinceMs) this.#awaited.delete(id);
    if (nowMs >= this.#awaitUntilMs) this.#awaited.clear();
    const isKnown = this.#awaited.size === 0;
    if (isKnown) this.#knownAtMs = nowMs;
    const ids = new Set([...gateways.map(({ id }) => id), ...this.#awaited]);
    this.others = { ids, areHeard: isKnown || this.others.areHeard };
    return isKnown;
  }

  /** Time goes by, whether there is an exchange or not. */
  check(nowMs: number): void {
    if (nowMs - this.#knownAtMs > DEAF_MS) this.others = { ...this.others, areHeard: false };
  }
}
