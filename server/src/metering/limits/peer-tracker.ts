import { PEER_TIMEOUT_MS, type PullResult } from "./port.ts";
import type { Peers } from "./sliding-window-limit.ts";

/**
 * After this long without a complete round, peers may have changed their ceilings: wait until each has published again.
 */
const RESYNC_AFTER_MS = 3_000;
/** After this long without a complete round, the peers' ceilings no longer hold. */
const STALE_AFTER_MS = 5_000;

/**
 * Tracks which other gateways ("peers") are alive, and whether this gateway knows the ceiling that each has published (see
 * `SlidingWindowLimit`). Times are monotonic unless noted.
 */
export class PeerTracker {
  peers: Peers = { ids: new Set(), areInSync: true };
  /** When the ceilings of all peers were last known. */
  #inSyncAtMs: number;
  /** Peers that must publish again before their ceilings are known. */
  #awaited = new Set<string>();
  /** By the store's clock. */
  #awaitedSinceMs = 0;
  #awaitUntilMs = 0;

  constructor(nowMs: number) {
    this.#inSyncAtMs = nowMs;
  }

  /**
   * Takes the result of a pull into account.
   * @param isNewEpoch the store may have lost states.
   * @returns whether the ceilings of all peers are known.
   */
  update(nowMs: number, { gateways, nowMs: storeMs }: PullResult, isNewEpoch: boolean): boolean {
    const isOverdue = this.#awaited.size === 0 && nowMs - this.#inSyncAtMs > RESYNC_AFTER_MS;
    if (isNewEpoch || isOverdue) {
      this.#awaited = new Set(this.peers.ids);
      this.#awaitedSinceMs = storeMs;
      // Peers may need as long to reach the store again as this gateway did, so give them the full timeout.
      this.#awaitUntilMs = nowMs + PEER_TIMEOUT_MS;
    }
    for (const { id, publishedAtMs } of gateways)
      if (publishedAtMs >= this.#awaitedSinceMs) this.#awaited.delete(id);
    if (nowMs >= this.#awaitUntilMs) this.#awaited.clear();
    const isInSync = this.#awaited.size === 0;
    if (isInSync) this.#inSyncAtMs = nowMs;
    const ids = new Set(this.#awaited);
    for (const { id } of gateways) ids.add(id);
    this.peers = { ids, areInSync: isInSync || this.peers.areInSync };
    return isInSync;
  }

  /** Marks the peers as out of sync when no round has completed for too long. Call this also when rounds fail. */
  checkStaleness(nowMs: number): void {
    if (nowMs - this.#inSyncAtMs > STALE_AFTER_MS) this.peers = { ...this.peers, areInSync: false };
  }
}
