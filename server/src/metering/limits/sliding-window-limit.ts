import { SlidingWindowCounter } from "./sliding-window-counter.ts";

/** State of one limit in one gateway, as published to its peers. */
export interface SlidingWindowState {
  /**
   * Generation of the limit object. A gateway that forgets a limit and creates it again counts from zero, with a higher
   * generation.
   */
  born: number;
  /** Requests that this object has admitted since it was created. */
  admitted: number;
  /** Highest value that `admitted` may reach before the gateway publishes again. */
  ceiling: number;
  /** Requests of the last minute, over all gateways. */
  inWindow: number;
}

/** The other gateways. */
export interface Peers {
  readonly ids: ReadonlySet<string>;
  /**
   * False: some peer's ceiling has been unknown for long, so every gateway keeps to an equal share of the limit until
   * the peers have synchronized again.
   */
  readonly areInSync: boolean;
}

/** A peer's newly read state, with what this gateway knew of it before. */
export interface PeerUpdate<State> {
  gateway: string;
  state: State;
  /** The peer's state that was applied before; null: none. */
  previous: State | null;
  /** The state was published before this gateway started. */
  isFromBeforeStart: boolean;
}

let lastGeneration = 0;

/**
 * Sliding-window limit on requests per minute, shared by all gateways. Each gateway publishes a ceiling before using it
 * and counts its peers' unused ceilings ("headroom") as spent, so that the gateways together stay within the limit
 * although they synchronize only now and then. Example: with a limit of 100 and two gateways, A has admitted 30 and
 * published a ceiling of 50. B counts A as 50, so that B may publish a ceiling of at most 50, whatever A does until the
 * next round.
 *
 * Each round of peer sync changes the ceiling in two phases. `propose` computes the ceiling to publish; a lower ceiling
 * than before takes effect at once. When the ceiling is published and the peers' states have been read, `commit` puts
 * as much of it in force as the peers leave. When the round failed, `rollback` restores the ceiling before it.
 *
 * A gateway that has no ceiling yet may use half of a fair share, so that an account's first requests need not wait for
 * a round.
 */
export class SlidingWindowLimit {
  /** Requests per minute. */
  limit: number;
  readonly #generation = ++lastGeneration;
  readonly #window = new SlidingWindowCounter();
  #admitted = 0;
  /** `#admitted` when the last proposal was made. */
  #admittedAtProposal = 0;
  /** A request was refused only because the ceiling was too low. */
  #needsMore = false;
  /** Null: no ceiling is published, and nothing was admitted since the last one. */
  #ceiling: number | null = null;
  /** The ceiling before the last proposal, for `rollback`. */
  #previousCeiling: number | null = null;
  /** By peer: requests that the peer may still admit below its ceiling. */
  readonly #peerHeadroom = new Map<string, number>();

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Whether `n` more requests may be admitted now. */
  fits(nowMs: number, n: number, peers: Peers): boolean {
    const count = this.#window.count(nowMs) + n;
    const gateways = peers.ids.size + 1;
    if (gateways === 1) return count <= this.limit;
    if (!peers.areInSync) return count <= fairShareOf(this.limit, gateways);
    this.#ceiling ??= this.#admitted + fairShareOf(this.#available(nowMs), 2 * gateways);
    if (count > this.limit) return false;
    this.#needsMore = this.#admitted + n > this.#ceiling;
    return !this.#needsMore;
  }

  add(nowMs: number, n: number): void {
    this.#admitted += n;
    this.#window.add(nowMs, n);
  }

  /** Requests left in this minute, for all gateways together. */
  remaining(nowMs: number): number {
    return Math.max(0, this.limit - this.#window.count(nowMs));
  }

  /** Whole seconds until `n` requests may fit. */
  retryAfterS(nowMs: number, n: number): number {
    return Math.ceil(this.#window.waitMs(nowMs, Math.max(0, this.limit - n)) / 1000);
  }

  applyPeerState(nowMs: number, update: PeerUpdate<SlidingWindowState>): void {
    const { gateway, state, previous, isFromBeforeStart } = update;
    // Every gateway counts all requests in `inWindow`, so a gateway that starts takes the count over from any peer.
    // Later on only the peer's own new admissions are missing.
    const missing = isFromBeforeStart
      ? state.inWindow - this.#window.count(nowMs)
      : state.admitted - (previous?.admitted ?? 0);
    if (missing > 0) this.#window.add(nowMs, missing);
    const headroom = state.ceiling - state.admitted;
    if (headroom > 0) this.#peerHeadroom.set(gateway, headroom);
    else this.#peerHeadroom.delete(gateway);
  }

  /**
   * First phase: computes the state to publish. Claims a fair share of the remaining requests while this gateway needs
   * them, else nothing.
   */
  propose(nowMs: number, peers: Peers): SlidingWindowState {
    for (const gateway of this.#peerHeadroom.keys())
      if (!peers.ids.has(gateway)) this.#peerHeadroom.delete(gateway);
    const ceiling = this.#admitted + this.#claim(nowMs, peers);
    this.#admittedAtProposal = this.#admitted;
    this.#needsMore = false;
    this.#previousCeiling = this.#ceiling;
    this.#ceiling = Math.min(this.#ceiling ?? ceiling, ceiling);
    return {
      born: this.#generation,
      admitted: this.#admitted,
      ceiling,
      inWindow: this.#window.count(nowMs),
    };
  }

  /** Second phase, after the proposal was published and all earlier states of peers were read. */
  commit(nowMs: number, { admitted, ceiling }: SlidingWindowState): void {
    const isInUse = ceiling > admitted || this.#admitted > admitted;
    this.#ceiling = isInUse ? Math.min(ceiling, this.#admitted + this.#available(nowMs)) : null;
  }

  /** Second phase, after the proposal could not be published or the peers' states are incomplete. */
  rollback(): void {
    this.#ceiling = this.#previousCeiling;
  }

  #claim(nowMs: number, peers: Peers): number {
    const gateways = peers.ids.size + 1;
    if (gateways === 1) return 0;
    if (!peers.areInSync) return Math.max(0, fairShareOf(this.limit, gateways) - this.#window.count(nowMs));
    const isNeeded = this.#admitted > this.#admittedAtProposal || this.#needsMore;
    return isNeeded ? fairShareOf(this.#available(nowMs), gateways) : 0;
  }

  /** Requests left in this minute after the headroom of all peers. */
  #available(nowMs: number): number {
    let available = this.limit - this.#window.count(nowMs);
    for (const headroom of this.#peerHeadroom.values()) available -= headroom;
    return Math.max(0, available);
  }
}

/**
 * An equal share, at least 1 while anything is available: otherwise the last few requests, fewer than there are
 * gateways, could never be used. Gateways that claim at the same time may therefore each admit one request too many.
 */
function fairShareOf(available: number, gateways: number): number {
  return Math.min(available, Math.max(1, Math.floor(available / gateways)));
}
