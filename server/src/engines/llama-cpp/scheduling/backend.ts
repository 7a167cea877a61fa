import type { GenerateRequest, TokenInfo } from "../../../engine/generation.ts";
import type { Sampling } from "../../../engine/sampling.ts";

/**
 * What the scheduler needs of the model. Calls made in the same turn of the event loop for different slots are
 * computed as one batch; a slot has at most one call running.
 */
export interface Backend {
  readonly slots: number;
  /** Tokens whose state the slot holds. */
  cachedTokens(slot: number): readonly number[];
  /** Drops all but the first `count` tokens of the slot's state; may have to drop more. Resolves to how many are left. */
  truncate(slot: number, count: number): Promise<number>;
  /** Whether `copy` works here. */
  readonly canCopy: boolean;
  /** Makes slot `to` hold the first `count` tokens of slot `from`. Resolves to how many it holds, 0 if it didn't work. */
  copy(from: number, to: number, count: number): Promise<number>;
  /** What is computed from now on is computed with this adapter; null: with none. Whether that is a change. */
  useLora(adapter: number | null): boolean;
  /** Empties the slot, and overwrites what it held. @param from a slot that holds something sound, if there is one. */
  wipe(slot: number, from: number | null): Promise<void>;
  /** Computes tokens without making one. */
  prefill(slot: number, tokens: readonly number[]): Promise<void>;
  /** The same, and says what the model thought of `next`: of each the token that follows it. Only with that feature. */
  score(
    slot: number,
    tokens: readonly number[],
    next: readonly number[],
    top: number,
  ): Promise<readonly TokenInfo[]>;
  /** A token about which nothing is thought. */
  tokenInfo(token: number): TokenInfo;
  /** Computes `tokens`, then makes one token or more at every `next()`. @throws EngineError `invalid`: the grammar. */
  decode(slot: number, tokens: readonly number[], spec: DecodeSpec): Decoder | Promise<Decoder>;
  detokenize(tokens: readonly number[], before: readonly number[]): string;
}

/** How a choice is made. */
export interface DecodeSpec
  extends Pick<GenerateRequest, "grammar" | "logprobs" | "minTokens" | "ignoreEos" | "thinking"> {
  sampling: Sampling;
  /** The whole prompt, for penalties. */
  prompt: readonly number[];
  /** Most tokens that are taken from the decoder, ≥ 1. */
  maxTokens: number;
  /** A guess of the output. */
  prediction?: readonly number[];
  /** False: nothing is guessed, whatever the engine is set up with. */
  speculate?: false;
  /** The adapter's key: what it makes is then looked at before it is trusted. */
  loraKey?: number;
}

export interface GeneratedToken {
  token: number;
  /** The model ends here. */
  ends: boolean;
  /** It was made to: with a grammar, as its tokens would have been used up otherwise. */
  closed?: boolean;
  /** With `logprobs`. */
  info?: TokenInfo;
}

export interface Decoder {
  /** What has to be done before `next()` and takes time of its own: done for all first, their tokens share a batch. */
  prepare?(): Promise<void>;
  /** Never empty. @throws EngineError `invalid`: the adapter makes something of it that is no number. */
  next(): Promise<readonly GeneratedToken[]>;
  /** With an adapter: everything the slot holds is numbers. */
  readonly allFinite?: boolean;
  /** What came of a prediction so far. */
  readonly prediction?: { acceptedTokens: number; rejectedTokens: number } | undefined;
  /** Ends it and frees what it holds; the slot's state stays. A call that runs is let finish first. Never fails. */
  end(): void;
}
