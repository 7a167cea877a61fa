import { SlidingWindowCounter } from "./sliding-window-counter.ts";

/** What other gateways must know of a cap. */
export interface SlidingWindowState {
  /** Of caps that a gateway makes anew for one subject, the later has the higher. */
  born: number;
  /** Ever, by this cap. */
  admitted: number;
  /** What `admitted` may become before the gateway tells anew. */
  ceiling: number;
  /** In the last minute, by all gateways. */
  inWindow: number;
}

/** The other gateways. */
export interface Peers {
  readonly ids: ReadonlySet<string>;
  /** False: what they may admit has not been known for long, and each keeps to its part of the limit. */
  readonly areInSync: boolean;
}

let capsBorn = 0;

/**
 * At most so many requests in any minute, over all gateways: each admits up to a ceiling that it has told the others
 * before, and takes what they may still admit for admitted. One that has just begun to admit and told nothing yet takes
 * half of what would be its part.
 */
export class SlidingWindowLimit {
  /** Requests in a minute. */
  limit: number;
  readonly #born = ++capsBorn;
  readonly #window = new SlidingWindowCounter();
  #admitted = 0;
  /** At the last claim. */
  #proposedAt = 0;
  /** More than the ceiling was asked for. */
  #isWanted = false;
  /** Null: not told, and nothing admitted since. */
  #ceiling: number | null = null;
  /** Before the last claim. */
  #previousCeiling: number | null = null;
  /** Of the others, by gateway: what they may admit beyond what is counted. */
  readonly #peerHeadroom = new Map<string, number>();

  constructor(limit: number) {
    this.limit = limit;
  }

  fits(nowMs: number, n: number, others: Peers): boolean {
    const count = this.#window.count(nowMs) + n;
    const gateways = others.ids.size + 1;
    if (gateways === 1) return count <= this.limit;
    if (!others.areInSync) return count <= fairShareOf(this.limit, gateways);
    this.#ceiling ??= this.#admitted + fairShareOf(this.#available(nowMs), 2 * gateways);
    if (count > this.limit) return false;
    this.#isWanted = this.#admitted + n > this.#ceiling;
    return !this.#isWanted;
  }

  add(nowMs: number, n: number): void {
    this.#admitted += n;
    this.#window.add(nowMs, n);
  }

  /** Of this minute, for all gateways. */
  remaining(nowMs: number): number {
    return Math.max(0, this.limit - this.#window.count(nowMs));
  }

  /** Whole seconds until `n` may fit. */
  retryAfterS(nowMs: number, n: number): number {
    return Math.ceil(this.#window.waitMs(nowMs, Math.max(0, this.limit - n)) / 1000);
  }

  /** @param known what the gateway told before; null: nothing. @param isOld it was told before this gateway began. */
  applyPeerState(
    nowMs: number,
    gateway: string,
    state: SlidingWindowState,
    known: SlidingWindowState | null,
    isOld: boolean,
  ): void {
    // What counts for the last minute was counted by everyone; what came since the last word, by the one who tells.
    const more = isOld ? state.inWindow - this.#window.count(nowMs) : state.admitted - (known?.admitted ?? 0);
    if (more > 0) this.#window.add(nowMs, more);
    const open = state.ceiling - state.admitted;
    if (open > 0) this.#peerHeadroom.set(gateway, open);
    else this.#peerHeadroom.delete(gateway);
  }

  /** What is to be told: a part of what is left while it is needed. Less than before is in force at once. */
  propose(nowMs: number, others: Peers): SlidingWindowState {
    for (const gateway of this.#peerHeadroom.keys())
      if (!others.ids.has(gateway)) this.#peerHeadroom.delete(gateway);
    const ceiling = this.#admitted + this.#fairShare(nowMs, others);
    this.#proposedAt = this.#admitted;
    this.#isWanted = false;
    this.#previousCeiling = this.#ceiling;
    this.#ceiling = Math.min(this.#ceiling ?? ceiling, ceiling);
    return { born: this.#born, admitted: this.#admitted, ceiling, inWindow: this.#window.count(nowMs) };
  }

  /** The claim was told, and all that was told before it is heard: as much of it is in force as others leave. */
  commit(nowMs: number, { admitted, ceiling }: SlidingWindowState): void {
    const isOpen = ceiling > admitted || this.#admitted > admitted;
    this.#ceiling = isOpen ? Math.min(ceiling, this.#admitted + this.#available(nowMs)) : null;
  }

  /** The claim was not told, or what others told is not known: what was in force stays so. */
  rollback(): void {
    this.#ceiling = this.#previousCeiling;
  }

  #fairShare(nowMs: number, others: Peers): number {
    const gateways = others.ids.size + 1;
    if (gateways === 1) return 0;
    if (!others.areInSync) return Math.max(0, fairShareOf(this.limit, gateways) - this.#window.count(nowMs));
    const isNeeded = this.#admitted > this.#proposedAt || this.#isWanted;
    return isNeeded ? fairShareOf(this.#available(nowMs), gateways) : 0;
  }

  #available(nowMs: number): number {
    let left = this.limit - this.#window.count(nowMs);
    for (const open of this.#peerHeadroom.values()) left -= open;
    return Math.max(0, left);
  }
}

/** The last few can't be divided: then gateways that ask at once may each let in one too many. */
function fairShareOf(left: number, parts: number): number {
  return Math.min(left, Math.max(1, Math.floor(left / parts)));
}
