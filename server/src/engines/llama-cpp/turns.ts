/** An adapter's key; null: the model as it is. */
export type Adapter = number | null;

/** A change of adapter may take this share of the time that is computed between two changes. */
const CHANGE_SHARE = 0.1;
/** Weight of the newest measurement. */
const NEWEST = 0.3;
const LEAST_MS = 0.01;
/** Rounds of a turn until a change of adapter was measured; two are needed to measure it. */
const FIRST_ROUNDS = 2;

/**
 * A batch is computed with one adapter, and to change it takes as long as half a token or a whole one. So each adapter
 * with running streams has a turn of some rounds (a round is a token of each of its streams), few enough for the others
 * not to wait long. All are alike: none comes twice before each came once.
 */
export class Turns {
  /** How long a stream should at most wait while others have their turns. */
  readonly #waitMs: number;
  /** Rounds that each had since all began anew. */
  readonly #rounds = new Map<Adapter, number>();
  #roundMs: number | null = null;
  #changeMs: number | null = null;
  /** The round before, if it was the first with its adapter. */
  #changed: { streams: number; ms: number } | null = null;
  #inEffect: Adapter = null;

  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /**
   * Whose round it is.
   * @param adapters of the running streams, each once; not empty.
   * @returns `last`: each has had its turn: now others than streams may be served.
   */
  next(adapters: readonly Adapter[]): { adapter: Adapter; last: boolean } {
    if (adapters.length === 1) {
      this.#rounds.clear();
      return { adapter: adapters[0]!, last: true };
    }
    const most = this.rounds(adapters.length);
    const had = (adapter: Adapter) => this.#rounds.get(adapter) ?? 0;
    const left = adapters.filter((adapter) => had(adapter) < most);
    // Turns may have become shorter meanwhile: then nobody is left.
    const [next = adapters[0]] = left;
    const going = left.includes(this.#inEffect) && had(this.#inEffect) > 0;
    const adapter = going ? this.#inEffect : next!;
    const round = had(adapter) + 1;
    this.#rounds.set(adapter, round);
    const last = left.every((one) => one === adapter) && round >= most;
    if (last) this.#rounds.clear();
    return { adapter, last };
  }

  /** What is computed from now on is computed with this adapter. Whether that is a change. */
  use(adapter: Adapter): boolean {
    const changes = adapter !== this.#inEffect;
    this.#inEffect = adapter;
    return changes;
  }

  /** A round was computed. @param changed it was the first with its adapter. */
  record(streams: number, changed: boolean, ms: number): void {
    if (changed) {
      // Turns of one round each leave nothing to compare with but what rounds took before.
      if (this.#changed !== null) this.#noteChange(ms - (this.#roundMs ?? ms));
      this.#changed = { streams, ms };
      return;
    }
    if (this.#changed?.streams === streams) this.#noteChange(this.#changed.ms - ms);
    this.#changed = null;
    this.#roundMs = mix(this.#roundMs, Math.max(LEAST_MS, ms));
  }

  #noteChange(ms: number): void {
    this.#changeMs = mix(this.#changeMs, Math.max(0, ms));
  }

  /** Rounds of a turn when so many adapters have streams. */
  rounds(adapters: number): number {
    if (this.#roundMs === null || this.#changeMs === null) return FIRST_ROUNDS;
    const worthwhile = Math.ceil(this.#changeMs / CHANGE_SHARE / this.#roundMs);
    const bearable = Math.floor((this.#waitMs / adapters - this.#changeMs) / this.#roundMs);
    return Math.max(1, Math.min(worthwhile, bearable));
  }
}

function mix(average: number | null, newest: number): number {
  return average === null ? newest : average * (1 - NEWEST) + newest * NEWEST;
}
