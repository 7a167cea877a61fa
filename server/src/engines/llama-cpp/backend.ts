import type { Sampling } from "../../engine/port.ts";

/**
 * What the scheduler needs of the model. Calls made in the same turn of the event loop for different slots are
 * computed as one batch; a slot has at most one call running.
 */
export interface Backend {
  readonly slots: number;
  /** Tokens whose state the slot holds. */
  held(slot: number): readonly number[];
  /** Drops all but the first `count` tokens of the slot's state; may have to drop more. Resolves to how many are left. */
  keep(slot: number, count: number): Promise<number>;
  /** Whether `copy` works here. */
  readonly canCopy: boolean;
  /** Makes slot `to` hold the first `count` tokens of slot `from`. Resolves to how many it holds, 0 if it didn't work. */
  copy(from: number, to: number, count: number): Promise<number>;
  /** Computes tokens without making one. */
  prefill(slot: number, tokens: readonly number[]): Promise<void>;
  /** Computes `tokens`, then makes one token at every `next()`. @param prompt the whole prompt, for penalties. */
  decode(slot: number, tokens: readonly number[], sampling: Sampling, prompt: readonly number[]): Decoder;
  isEnd(token: number): boolean;
  detokenize(tokens: readonly number[], before: readonly number[]): string;
}

export interface Decoder {
  next(): Promise<number>;
  /** Ends it and frees what it holds; the slot's state stays. A call that runs is let finish first. Never fails. */
  end(): void;
}
