import { RequestWindow } from "./window.ts";

/** What other gateways must know of a cap. */
export interface CapState {
  /** Ever, in this gateway. */
  admitted: number;
  /** What `admitted` may become before the gateway tells anew. */
  ceiling: number;
  /** In the last minute, by all gateways. */
  inWindow: number;
}

/** The other gateways on the database. */
export interface Others {
  readonly ids: ReadonlySet<string>;
  /** False: they could not be heard lately, and each keeps to its part. */
  readonly areHeard: boolean;
}

/**
 * At most so many requests in any minute, over all gateways: each admits up to a ceiling that it has told the others
 * before, and takes what they may still admit for admitted. One that has just begun to admit and told nothing yet takes
 * half of what would be its part.
 */
export class Cap {
  /** Requests in a minute. */
  limit: number;
  readonly #window = new RequestWindow();
  #admitted = 0;
  /** At the last claim. */
  #claimedAt = 0;
  /** More than the ceiling was asked for. */
  #isWanted = false;
  /** Null: not told, and nothing admitted since. */
  #ceiling: number | null = null;
  /** Of the others, by gateway: what they may admit beyond what is counted. */
  readonly #open = new Map<string, number>();

  constructor(limit: number) {
    this.limit = limit;
  }

  fits(nowMs: number, n: number, others: Others): boolean {
    const count = this.#window.count(nowMs) + n;
    const gateways = others.ids.size + 1;
    if (gateways === 1) return count <= this.limit;
    if (!others.areHeard) return count <= this.limit / gateways;
    this.#ceiling ??= this.#admitted + partOf(this.#left(nowMs), 2 * gateways);
    if (count > this.limit) return false;
    this.#isWanted = this.#admitted + n > this.#ceiling;
    return !this.#isWanted;
  }

  add(nowMs: number, n: number): void {
    this.#admitted += n;
    this.#window.add(nowMs, n);
  }

  /** Whole seconds until `n` may fit. */
  retryAfterS(nowMs: number, n: number): number {
    return Math.ceil(this.#window.waitMs(nowMs, Math.max(0, this.limit - n)) / 1000);
  }

  /** @param known what the gateway told before; null: nothing. @param isOld it was told before this gateway began. */
  hear(nowMs: number, gateway: string, state: CapState, known: CapState | null, isOld: boolean): void {
    // What counts for the last minute was counted by everyone; what came since the last word, by the one who tells.
    const more = isOld ? state.inWindow - this.#window.count(nowMs) : state.admitted - (known?.admitted ?? 0);
    if (more > 0) this.#window.add(nowMs, more);
    const open = state.ceiling - state.admitted;
    if (open > 0) this.#open.set(gateway, open);
    else this.#open.delete(gateway);
  }

  /** What is to be told: a part of what is left while it is needed. More than before is in force from `settle` on. */
  claim(nowMs: number, others: Others): CapState {
    for (const gateway of this.#open.keys()) if (!others.ids.has(gateway)) this.#open.delete(gateway);
    const isNeeded = this.#admitted > this.#claimedAt || this.#isWanted;
    this.#claimedAt = this.#admitted;
    this.#isWanted = false;
    const part = isNeeded && others.ids.size > 0 ? partOf(this.#left(nowMs), others.ids.size + 1) : 0;
    const ceiling = this.#admitted + part;
    this.#ceiling = Math.min(this.#ceiling ?? ceiling, ceiling);
    return { admitted: this.#admitted, ceiling, inWindow: this.#window.count(nowMs) };
  }

  /** The claim was told. */
  settle({ admitted, ceiling }: CapState): void {
    this.#ceiling = ceiling > admitted || this.#admitted > admitted ? ceiling : null;
  }

  #left(nowMs: number): number {
    let left = this.limit - this.#window.count(nowMs);
    for (const open of this.#open.values()) left -= open;
    return Math.max(0, left);
  }
}

/** The last few can't be divided: then gateways that ask at once may each let in one too many. */
function partOf(left: number, parts: number): number {
  return Math.min(left, Math.max(1, Math.floor(left / parts)));
}
