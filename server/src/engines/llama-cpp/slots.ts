import { BLOCK_TOKENS, exactReuse, wholeBlocks } from "./blocks.ts";
import type { Choice } from "./generation.ts";

/** One context sequence: who is computed in it, and what is known of the state it holds. */
export class Slot {
  readonly index: number;
  occupant: Choice | null = null;
  /** Counts up over all slots with every use; 0: never used. */
  lastUsed = 0;
  /** A call failed: what the slot holds is unknown. */
  spoilt = false;
  /** Leading tokens of the state that were computed as whole blocks. */
  exactTokens = 0;

  constructor(index: number) {
    this.index = index;
  }

  /** All but the first `tokens` of the state were dropped. */
  cutTo(tokens: number): void {
    this.exactTokens = Math.min(this.exactTokens, wholeBlocks(tokens));
    this.spoilt = false;
  }

  /** `tokens` were computed at once, `position` tokens after the beginning. */
  computed(position: number, tokens: number): void {
    if (position === this.exactTokens && tokens >= BLOCK_TOKENS) this.exactTokens += wholeBlocks(tokens);
  }
}

export interface SlotCandidate {
  /** Tokens whose state the slot holds. */
  held: readonly number[];
  exactTokens: number;
  lastUsed: number;
}

/**
 * The candidate whose state spares most of the prompt; of equals the one unused for longest. At least one token is
 * always left to compute: without it there would be nothing to continue from.
 * @param exact spare only what gives the same result as a slot that holds nothing.
 */
export function chooseSlot<T extends SlotCandidate>(
  prompt: readonly number[],
  candidates: readonly T[],
  exact: boolean,
): { chosen: T; reuse: number } | null {
  let best: { chosen: T; reuse: number } | null = null;
  for (const chosen of candidates) {
    const common = commonPrefix(prompt, chosen.held);
    const reuse = exact
      ? exactReuse(common, prompt.length, chosen.exactTokens)
      : Math.min(common, prompt.length - 1);
    if (
      best === null ||
      reuse > best.reuse ||
      (reuse === best.reuse && chosen.lastUsed < best.chosen.lastUsed)
    ) {
      best = { chosen, reuse };
    }
  }
  return best;
}

export function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}
