import type { Sampling } from "../../../engine/sampling.ts";
import type { SamplerConfig } from "../native/native-api.ts";
import { LogitBias } from "./logit-bias.ts";

/** llama.cpp reads the seed 2³² − 1 as "any seed", so seeds are taken modulo that number. */
const SEED_MODULUS = 0xffff_ffff;

export interface SamplerConfigOptions {
  sampling: Sampling;
  /** The whole prompt: the repetition penalty counts its tokens. */
  prompt: readonly number[];
  /** Tokens of the context; no penalty looks back further. */
  contextSize: number;
  endTokens: readonly number[];
}

/** Translates the port's sampling parameters into the configuration of llama.cpp's sampler chain, token by token. */
export class SamplerConfigBuilder {
  readonly #sampling: Sampling;
  readonly #prompt: readonly number[];
  readonly #contextSize: number;
  readonly #logitBias: LogitBias;

  constructor({ sampling, prompt, contextSize, endTokens }: SamplerConfigOptions) {
    this.#sampling = sampling;
    this.#prompt = prompt;
    this.#contextSize = contextSize;
    this.#logitBias = new LogitBias(sampling, endTokens);
  }

  /**
   * @param output tokens generated so far.
   * @param suppressEnd the next token must not be an end token.
   */
  forNextToken(output: readonly number[], suppressEnd: boolean): SamplerConfig {
    const { temperature = 1, topP = 1, topK = 0, minP = 0, seed = 0 } = this.#sampling;
    return {
      temperature,
      topP,
      // A top-k of 0 would sort the whole vocabulary at every token (2 ms of 8); absent, the step is left out.
      ...(topK > 0 ? { topK } : {}),
      minP,
      seed: ((seed % SEED_MODULUS) + SEED_MODULUS) % SEED_MODULUS,
      ...this.#penalties(output),
      ...this.#logitBias.forNextToken(output, suppressEnd),
    };
  }

  #penalties(output: readonly number[]): Partial<SamplerConfig> {
    const { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 } = this.#sampling;
    if (repetitionPenalty !== 1) {
      return {
        repeatPenalty: repetitionPenalty,
        repeatPenaltyMaxTokens: this.#contextSize,
        repeatPenaltyTokens: Uint32Array.from([...this.#prompt, ...output]),
      };
    }
    if (frequencyPenalty === 0 && presencePenalty === 0) return {};
    return {
      repeatPenalty: 1,
      repeatPenaltyFrequencyPenalty: frequencyPenalty,
      repeatPenaltyPresencePenalty: presencePenalty,
      repeatPenaltyMaxTokens: this.#contextSize,
      repeatPenaltyTokens: Uint32Array.from(output),
    };
  }
}
