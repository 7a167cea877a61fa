import type { Generation, ScheduledChoice } from "./generation.ts";
import { BLOCK_TOKENS, exactReuse, wholeBlocks } from "./prefill-blocks.ts";

/** One context sequence: who is computed in it, and what is known of the state it holds. */
export class Slot {
  readonly index: number;
  occupant: ScheduledChoice | null = null;
  /** Counts up over all slots with every use; 0: never used. */
  lastUsed = 0;
  /** A call failed: what the slot holds is unknown. */
  stateUnknown = false;
  /**
   * An adapter was computed with here, and not proven to have made numbers of everything. Left to the next, one that is
   * no number would make the same of what is computed beside it, even where it isn't looked at.
   */
  maybeNonFinite = false;
  /** Leading tokens of the state that were computed as whole blocks. */
  exactTokens = 0;
  /** The generation that computed the state last. */
  #owner: Generation | null = null;

  constructor(index: number) {
    this.index = index;
  }

  /** The slot now holds the first `tokens` of what `source` held, and `owner` goes on with it. */
  takeOver(source: Slot, tokens: number, owner: Generation): void {
    this.exactTokens = Math.min(source.exactTokens, wholeBlocks(tokens));
    this.stateUnknown = false;
    if (source !== this) this.maybeNonFinite = !source.provenFinite;
    this.#owner = owner;
  }

  /** Nothing is computed here with an adapter, or what came of it last is a number: then all before was, too. */
  get provenFinite(): boolean {
    const { occupant } = this;
    return occupant === null || occupant.generation.loraKey === null || occupant.decoder?.allFinite === true;
  }

  /** How many of the first tokens that the slot holds `generation` may use. */
  reusableTokens(generation: Generation): number {
    const owner = this.#owner;
    if (this.stateUnknown || this.maybeNonFinite || owner === null) return 0;
    if (owner === generation) return Number.POSITIVE_INFINITY;
    // What an adapter was computed with is nobody's but its own.
    if (owner.loraKey !== generation.loraKey) return 0;
    const { cacheScope, cacheMaxTokens = Number.POSITIVE_INFINITY } = owner.spec;
    if (generation.spec.cacheScope !== cacheScope) return 0;
    return Math.min(cacheMaxTokens, generation.maxTokensFromOthers);
  }

  /** `tokens` were computed at once, `position` tokens after the beginning. */
  recordComputed(position: number, tokens: number): void {
    if (position === this.exactTokens && tokens >= BLOCK_TOKENS) this.exactTokens += wholeBlocks(tokens);
  }
}

export interface SlotState {
  /** Tokens whose state the slot holds. */
  cachedTokens: readonly number[];
  exactTokens: number;
  lastUsed: number;
  free: boolean;
}

export interface Placement<T> {
  slot: T;
  /** The slot whose state is copied to `slot` first, when it isn't `slot` itself. */
  copyFrom: T | null;
  /** How many of the prompt's first tokens need not be computed. */
  reuse: number;
}

export interface PlacementRules {
  /** Reuse only what gives the same result as a slot that holds nothing. */
  exact: boolean;
  /** State can be copied from one slot to another. */
  canCopy: boolean;
}

/** Copying moves the whole context of a slot through memory: not worth it for fewer tokens. */
export const COPY_GAIN_TOKENS = 64;

/**
 * Where to compute a prompt: in the free slot whose state spares most of it, of equals the one unused for longest. With
 * copying, the state may come from any slot, and a slot that would lose much of what it holds is copied from instead.
 * At least one token is always left to compute: without it there would be nothing to continue from.
 */
export function placePrompt<T extends SlotState>(
  prompt: readonly number[],
  slots: readonly T[],
  rules: PlacementRules,
): Placement<T> | null {
  const free = slots.filter((s) => s.free);
  const own = mostSpared(prompt, free, rules);
  if (own === null || !rules.canCopy) return own;
  const source = mostSpared(prompt, slots, rules)!;
  const best = source.reuse - own.reuse >= COPY_GAIN_TOKENS ? source : own;
  const lost = best.slot.cachedTokens.length - best.reuse;
  if (best.reuse < COPY_GAIN_TOKENS || (best.slot.free && lost < COPY_GAIN_TOKENS)) return own;
  const oldest = free.reduce((a, b) => (b.lastUsed < a.lastUsed ? b : a));
  return oldest === best.slot ? best : { slot: oldest, copyFrom: best.slot, reuse: best.reuse };
}

function mostSpared<T extends SlotState>(
  prompt: readonly number[],
  slots: readonly T[],
  { exact }: PlacementRules,
): Placement<T> | null {
  let best: Placement<T> | null = null;
  for (const slot of slots) {
    const common = commonPrefixLength(prompt, slot.cachedTokens);
    const reuse = exact
      ? exactReuse(common, prompt.length, slot.exactTokens)
      : Math.min(common, prompt.length - 1);
    if (best === null || reuse > best.reuse || (reuse === best.reuse && slot.lastUsed < best.slot.lastUsed)) {
      best = { slot, copyFrom: null, reuse };
    }
  }
  return best;
}

export function commonPrefixLength(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}
