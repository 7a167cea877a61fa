import type { Sampling } from "../../../engine/sampling.ts";

export interface TokenBiasArrays {
  tokenBiasKeys?: Uint32Array;
  tokenBiasValues?: Float32Array;
}

/**
 * Makes a token the last resort. Finite, because a grammar may leave the end tokens as the only choice, and llama.cpp
 * fails when all logits are −∞.
 */
const SUPPRESSED = -1e9;

/**
 * The values added to logits before every other step: the request's `logitBias`, the penalties that llama.cpp's one
 * penalty sampler has no room for, and the suppression of end tokens.
 */
export class LogitBias {
  readonly #requested: ReadonlyMap<number, number>;
  readonly #endTokens: readonly number[];
  readonly #penalties: { frequency: number; presence: number } | null;
  readonly #withEnd: TokenBiasArrays;
  readonly #withoutEnd: TokenBiasArrays;

  constructor(sampling: Sampling, endTokens: readonly number[]) {
    const { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 } = sampling;
    const requested = new Map<number, number>();
    for (const [token, bias] of sampling.logitBias ?? []) {
      requested.set(token, (requested.get(token) ?? 0) + bias);
    }
    this.#requested = requested;
    this.#endTokens = endTokens;
    // llama.cpp's penalty sampler has one token history, but frequency and presence penalties count the output alone
    // and the repetition penalty counts prompt and output. When both kinds are set, the former become biases.
    const hasOutputPenalty = frequencyPenalty !== 0 || presencePenalty !== 0;
    this.#penalties =
      hasOutputPenalty && repetitionPenalty !== 1
        ? { frequency: frequencyPenalty, presence: presencePenalty }
        : null;
    this.#withEnd = toArrays(requested);
    this.#withoutEnd = toArrays(this.#suppressEnd(requested));
  }

  /** @param suppressEnd the next token must not be an end token. */
  forNextToken(output: readonly number[], suppressEnd: boolean): TokenBiasArrays {
    if (this.#penalties === null) return suppressEnd ? this.#withoutEnd : this.#withEnd;
    const { frequency, presence } = this.#penalties;
    const biases = new Map(this.#requested);
    for (const [token, count] of countTokens(output)) {
      biases.set(token, (biases.get(token) ?? 0) - count * frequency - presence);
    }
    return toArrays(suppressEnd ? this.#suppressEnd(biases) : biases);
  }

  #suppressEnd(biases: ReadonlyMap<number, number>): Map<number, number> {
    const result = new Map(biases);
    for (const token of this.#endTokens) result.set(token, SUPPRESSED);
    return result;
  }
}

function countTokens(tokens: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}

function toArrays(biases: ReadonlyMap<number, number>): TokenBiasArrays {
  if (biases.size === 0) return {};
  return {
    tokenBiasKeys: Uint32Array.from(biases.keys()),
    tokenBiasValues: Float32Array.from(biases.values()),
  };
}
