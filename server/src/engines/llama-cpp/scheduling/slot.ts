import type { Decoder } from "./backend.ts";
import type { LoraKey } from "./lora-round-robin.ts";
import { BLOCK_TOKENS, wholeBlocks } from "./prefill-blocks.ts";

/** The facts about a generation that decide which state its slots may reuse. */
export interface SlotOwner {
  readonly loraKey: LoraKey;
  /** Most tokens of other generations' state that it may reuse. */
  readonly maxTokensFromOthers: number;
  readonly spec: { readonly cacheScope?: string; readonly cacheMaxTokens?: number };
}

/** The facts about a choice that its slot needs. */
export interface SlotOccupant {
  readonly generation: SlotOwner;
  readonly decoder: Decoder | null;
}

/** One context sequence: the choice that is computed in it, and the facts about the state it holds. */
export class Slot<Occupant extends SlotOccupant = SlotOccupant> {
  readonly index: number;
  occupant: Occupant | null = null;
  /** Counts up over all slots with every use; 0: never used. */
  lastUsed = 0;
  /** A call failed, so the slot may hold anything. */
  stateUnknown = false;
  /**
   * A LoRA ran in the slot and its results may hold NaN or infinity. The block kernel multiplies also memory that its
   * mask excludes, so NaN would spread to the slot's next occupant: the slot has to be wiped first.
   */
  maybeNonFinite = false;
  /** Leading tokens of the state that were computed as whole blocks. */
  exactTokens = 0;
  /** The generation that computed the state last. */
  #owner: SlotOwner | null = null;

  constructor(index: number) {
    this.index = index;
  }

  /** The slot now holds the first `tokens` tokens of what `source` held, and `owner` continues from there. */
  takeOver(source: Slot, tokens: number, owner: SlotOwner): void {
    this.exactTokens = Math.min(source.exactTokens, wholeBlocks(tokens));
    this.stateUnknown = false;
    if (source !== this) this.maybeNonFinite = !source.provenFinite;
    this.#owner = owner;
  }

  /** True without a LoRA, and when the last logits were finite: NaN in the state would have reached them. */
  get provenFinite(): boolean {
    const { occupant } = this;
    return occupant === null || occupant.generation.loraKey === null || occupant.decoder?.allFinite === true;
  }

  /** How many of the slot's leading tokens `generation` may reuse. */
  reusableTokens(generation: SlotOwner): number {
    const owner = this.#owner;
    if (this.stateUnknown || this.maybeNonFinite || owner === null) return 0;
    if (owner === generation) return Number.POSITIVE_INFINITY;
    // State that was computed with one LoRA is wrong for any other, and for the base model.
    if (owner.loraKey !== generation.loraKey) return 0;
    const { cacheScope, cacheMaxTokens = Number.POSITIVE_INFINITY } = owner.spec;
    if (generation.spec.cacheScope !== cacheScope) return 0;
    return Math.min(cacheMaxTokens, generation.maxTokensFromOthers);
  }

  /** `tokens` tokens were computed in one call, after the first `position` tokens. */
  recordComputed(position: number, tokens: number): void {
    if (position === this.exactTokens && tokens >= BLOCK_TOKENS) this.exactTokens += wholeBlocks(tokens);
  }
}
