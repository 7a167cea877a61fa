/** Picks the slot that spares the most work; a pure choice over what the slots hold. */
export interface FreeSlot {
  slot: number;
  /** Tokens whose state the slot still holds. */
  held: readonly number[];
  /** Counts up with every use; 0: never used. */
  lastUsed: number;
}

export interface SlotChoice {
  slot: number;
  /** How many of the prompt's first tokens need not be computed again. */
  reuse: number;
}

/**
 * The free slot whose state starts with most of the prompt; of equals the one unused for longest. At least one token
 * is always left to compute: without it there would be nothing to continue from.
 */
export function chooseSlot(prompt: readonly number[], free: readonly FreeSlot[]): SlotChoice | null {
  let best: (FreeSlot & { common: number }) | null = null;
  for (const candidate of free) {
    const common = commonPrefix(prompt, candidate.held);
    if (
      best === null ||
      common > best.common ||
      (common === best.common && candidate.lastUsed < best.lastUsed)
    ) {
      best = { ...candidate, common };
    }
  }
  if (best === null) return null;
  return { slot: best.slot, reuse: Math.max(0, Math.min(best.common, prompt.length - 1)) };
}

export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}
