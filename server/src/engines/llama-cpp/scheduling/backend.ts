import type { GenerateRequest, TokenInfo } from "../../../engine/generation.ts";
import type { Sampling } from "../../../engine/sampling.ts";

/**
 * The model as the scheduler sees it. Calls for different slots in the same turn of the event loop are computed as one
 * batch; a slot has at most one call running.
 */
export interface Backend {
  readonly slots: number;
  /** Tokens whose state the slot holds. */
  cachedTokens(slot: number): readonly number[];
  /** Drops all but the first `count` tokens of the slot's state; may have to drop more. Resolves to how many are left. */
  truncate(slot: number, count: number): Promise<number>;
  /** Whether `copy` works here. */
  readonly canCopy: boolean;
  /** Makes slot `to` hold the first `count` tokens of slot `from`. Resolves to how many it holds; 0 after a failure. */
  copy(from: number, to: number, count: number): Promise<number>;
  /** Computes with this LoRA from now on; null: with none. Returns whether that is a change. */
  useLora(lora: number | null): boolean;
  /** Empties the slot and overwrites its memory. @param from a slot with a finite state to copy; null: there is none. */
  wipe(slot: number, from: number | null): Promise<void>;
  /** Computes tokens without generating one. */
  prefill(slot: number, tokens: readonly number[]): Promise<void>;
  /** Computes tokens and scores those that follow them. Only with the feature `promptLogprobs`. */
  score(slot: number, job: ScoreJob): Promise<readonly TokenInfo[]>;
  /** A token without a score. */
  tokenInfo(token: number): TokenInfo;
  /** Computes `tokens`, then generates at least one token at every `next()`. @throws EngineError `invalid`: the grammar. */
  decode(slot: number, tokens: readonly number[], spec: DecodeSpec): Decoder | Promise<Decoder>;
  /** The text of a special token, which `detokenize` leaves out; null for other tokens. */
  specialText(token: number): string | null;
  /** @param before the tokens that precede `tokens`; some tokenizers write spaces depending on them. */
  detokenize(tokens: readonly number[], before: readonly number[]): string;
}

export interface ScoreJob {
  tokens: readonly number[];
  /** The tokens to score: `next[i]` follows `tokens[i]`. */
  next: readonly number[];
  /** Most probable alternatives to report with each, ≥ 0. */
  top: number;
}

/** How a choice is generated. */
export interface DecodeSpec
  extends Pick<GenerateRequest, "grammar" | "logprobs" | "minTokens" | "ignoreEos" | "thinking"> {
  sampling: Sampling;
  /** The whole prompt, for penalties. */
  prompt: readonly number[];
  /** Most tokens that are taken from the decoder, ≥ 1. */
  maxTokens: number;
  /** A guess of the output. */
  prediction?: readonly number[];
  /** False: no draft model and no n-gram lookup. */
  speculate?: false;
  /** Key of the LoRA. Its logits are checked for NaN and infinity. Absent: the base model. */
  loraKey?: number;
}

export interface GeneratedToken {
  token: number;
  /** The choice ends with this token. */
  ends: boolean;
  /** The grammar was completed by force, before `maxTokens` could cut it off. */
  closed?: boolean;
  /** With `logprobs`. */
  info?: TokenInfo;
}

export interface Decoder {
  /** Runs before `next()` what takes time of its own, such as a draft model. All decoders of a batch prepare first. */
  prepare?(): Promise<void>;
  /** Never empty. @throws EngineError `invalid`: the LoRA's logits are not finite, or the grammar allows no token. */
  next(): Promise<readonly GeneratedToken[]>;
  /** With a LoRA: the slot's state is finite so far. */
  readonly allFinite?: boolean;
  /** Guessed tokens so far, right and wrong; undefined without speculation. */
  readonly prediction?: { acceptedTokens: number; rejectedTokens: number } | undefined;
  /** Frees the decoder's memory once a running call has finished; the slot's state stays. Never fails. */
  end(): void;
}
