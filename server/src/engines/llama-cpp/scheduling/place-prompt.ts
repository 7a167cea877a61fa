import { exactReuse } from "./prefill-blocks.ts";

export interface SlotState {
  /** Tokens whose state the slot holds and the prompt may reuse. */
  cachedTokens: readonly number[];
  exactTokens: number;
  lastUsed: number;
  free: boolean;
}

export interface Placement<T> {
  slot: T;
  /** The slot whose state is copied to `slot` first; null: `slot` keeps its own. */
  copyFrom: T | null;
  /** Leading tokens of the prompt that need not be computed. */
  reuse: number;
}

export interface PlacementRules {
  /** Reuse only state that gives the same result as an empty slot would. */
  exact: boolean;
  /** State can be copied from one slot to another. */
  canCopy: boolean;
}

/** A copy moves the whole context of a slot through memory, which does not pay for fewer tokens. */
export const COPY_GAIN_TOKENS = 64;

/**
 * Picks the slot for a prompt: the free slot that shares the longest prefix with it (the least recently used of equal
 * ones). With copying, the prefix may come from any slot; and a slot that would lose much of its state is left as it is
 * and copied to the least recently used one. At least one token of the prompt is always left to compute, as its logits
 * are needed for the first output token.
 * @returns null when no slot is free.
 */
export function placePrompt<T extends SlotState>(
  prompt: readonly number[],
  slots: readonly T[],
  rules: PlacementRules,
): Placement<T> | null {
  const free = slots.filter((s) => s.free);
  const inPlace = longestReuse(prompt, free, rules);
  if (inPlace === null || !rules.canCopy) return inPlace;
  const source = longestReuse(prompt, slots, rules)!;
  const best = source.reuse - inPlace.reuse >= COPY_GAIN_TOKENS ? source : inPlace;
  const lost = best.slot.cachedTokens.length - best.reuse;
  if (best.reuse < COPY_GAIN_TOKENS || (best.slot.free && lost < COPY_GAIN_TOKENS)) return inPlace;
  const oldest = free.reduce((a, b) => (b.lastUsed < a.lastUsed ? b : a));
  return oldest === best.slot ? best : { slot: oldest, copyFrom: best.slot, reuse: best.reuse };
}

function longestReuse<T extends SlotState>(
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
