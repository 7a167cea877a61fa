import { PEER_TIMEOUT_MS, type PullResult } from "./port.ts";
import type { Peers } from "./sliding-window-limit.ts";

/** Without a whole exchange for so long, the others must be heard anew. */
const RESYNC_AFTER_MS = 3_000;
/** What others told last holds no longer. */
const STALE_AFTER_MS = 5_000;

/** Which other gateways there are, and whether what they told is all that they may admit. Times are monotonic. */
export class PeerTracker {
  peers: Peers = { ids: new Set(), areInSync: true };
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
  update(nowMs: number, { gateways, nowMs: storeMs }: PullResult, isAnew: boolean): boolean {
    const isLate = this.#awaited.size === 0 && nowMs - this.#knownAtMs > RESYNC_AFTER_MS;
    if (isAnew || isLate) {
      this.#awaited = new Set(this.peers.ids);
      this.#awaitedSinceMs = storeMs;
      // They may take as long to find the store again before they are taken for dead.
      this.#awaitUntilMs = nowMs + PEER_TIMEOUT_MS;
    }
    for (const { id, toldAtMs } of gateways) if (toldAtMs >= this.#awaitedSinceMs) this.#awaited.delete(id);
    if (nowMs >= this.#awaitUntilMs) this.#awaited.clear();
    const isKnown = this.#awaited.size === 0;
    if (isKnown) this.#knownAtMs = nowMs;
    const ids = new Set([...gateways.map(({ id }) => id), ...this.#awaited]);
    this.peers = { ids, areInSync: isKnown || this.peers.areInSync };
    return isKnown;
  }

  /** Time goes by, whether there is an exchange or not. */
  checkStaleness(nowMs: number): void {
    if (nowMs - this.#knownAtMs > STALE_AFTER_MS) this.peers = { ...this.peers, areInSync: false };
  }
}
