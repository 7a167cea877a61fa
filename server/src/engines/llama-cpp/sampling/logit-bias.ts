import type { Sampling } from "../../../engine/sampling.ts";
import type { TokenHistory } from "./sampler-config.ts";

export interface TokenBiasArrays {
  tokenBiasKeys?: Uint32Array;
  tokenBiasValues?: Float32Array;
}

/** Never chosen while anything else may be; not infinite, as it may be all that a grammar leaves. */
const SUPPRESSED = -1e9;

/** What is added to logits before everything else: asked for, by penalties that no sampler has, and for end tokens. */
export class LogitBias {
  readonly #asked: ReadonlyMap<number, number>;
  readonly #endTokens: readonly number[];
  readonly #penalties: { frequency: number; presence: number } | null;
  readonly #plain: TokenBiasArrays;
  readonly #withoutEnd: TokenBiasArrays;

  constructor(sampling: Sampling, endTokens: readonly number[]) {
    const { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 } = sampling;
    const counted = frequencyPenalty !== 0 || presencePenalty !== 0;
    const asked = new Map<number, number>();
    for (const [token, bias] of sampling.logitBias ?? []) asked.set(token, (asked.get(token) ?? 0) + bias);
    this.#asked = asked;
    this.#endTokens = endTokens;
    // llama.cpp has one history for all penalties, but they are about different ones.
    this.#penalties =
      counted && repetitionPenalty !== 1 ? { frequency: frequencyPenalty, presence: presencePenalty } : null;
    this.#plain = toArrays(asked);
    this.#withoutEnd = toArrays(this.#suppressEnd(asked));
  }

  /** @param noEnd end tokens must not come now. */
  forNextToken(history: TokenHistory, noEnd: boolean): TokenBiasArrays {
    if (this.#penalties === null) return noEnd ? this.#withoutEnd : this.#plain;
    const { frequency, presence } = this.#penalties;
    const biases = new Map(this.#asked);
    for (const [token, count] of countTokens(history.output)) {
      biases.set(token, (biases.get(token) ?? 0) - count * frequency - presence);
    }
    return toArrays(noEnd ? this.#suppressEnd(biases) : biases);
  }

  #suppressEnd(biases: ReadonlyMap<number, number>): Map<number, number> {
    const result = new Map(biases);
    for (const token of this.#endTokens) result.set(token, SUPPRESSED);
    return result;
  }
}

export function countTokens(tokens: readonly number[]): Map<number, number> {
  const result = new Map<number, number>();
  for (const token of tokens) result.set(token, (result.get(token) ?? 0) + 1);
  return result;
}

function toArrays(biases: ReadonlyMap<number, number>): TokenBiasArrays {
  if (biases.size === 0) return {};
  return {
    tokenBiasKeys: Uint32Array.from(biases.keys()),
    tokenBiasValues: Float32Array.from(biases.values()),
  };
}
