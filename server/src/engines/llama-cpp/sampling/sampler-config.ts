import { type LlamaModel, type SequenceEvaluateOptions, type Token, TokenBias } from "node-llama-cpp";
import type { Sampling } from "../../../engine/sampling.ts";
import type { SamplerConfig } from "../native/native-api.ts";
import { countTokens, type LogitBias } from "./logit-bias.ts";

/** llama.cpp takes 2³² − 1 to mean "any seed"; so seeds are taken modulo that number. */
const SEEDS = 0xffff_ffff;

/** Tokens made so far, grown by the decoder. */
export interface TokenHistory {
  readonly prompt: readonly number[];
  readonly output: readonly number[];
}

/** The port's sampling in the library's words. Read anew by the library at every token through the functions. */
export function toEvaluateOptions(
  sampling: Sampling,
  history: TokenHistory,
  model: LlamaModel,
  contextSize: number,
): SequenceEvaluateOptions {
  const { temperature = 1, topP = 1, topK = 0, minP = 0, seed = 0 } = sampling;
  return {
    temperature,
    topP,
    // Null keeps the sampler out of the chain; 0 would sort the whole vocabulary at every token (2 ms of 8).
    topK: topK > 0 ? topK : (null as unknown as number),
    minP,
    seed: seedOf(seed),
    yieldEogToken: true,
    ...penalties(sampling, history, model, contextSize),
  };
}

/**
 * llama.cpp's one penalty sampler looks at one history, but the port's frequency and presence penalties are about the
 * output and its repetition penalty about prompt and output. Where both are set, the former become logit biases,
 * which llama.cpp applies first.
 */
function penalties(
  sampling: Sampling,
  history: TokenHistory,
  model: LlamaModel,
  contextSize: number,
): Pick<SequenceEvaluateOptions, "repeatPenalty" | "tokenBias"> {
  const { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 } = sampling;
  const byCount = frequencyPenalty !== 0 || presencePenalty !== 0;
  const constant = { maxPunishTokens: contextSize, penalty: repetitionPenalty };
  if (repetitionPenalty === 1) {
    if (!byCount) return {};
    return {
      repeatPenalty: {
        ...constant,
        frequencyPenalty,
        presencePenalty,
        punishTokens: () => [...history.output] as Token[],
      },
    };
  }
  const repeatPenalty = {
    ...constant,
    punishTokens: () => [...history.prompt, ...history.output] as Token[],
  };
  if (!byCount) return { repeatPenalty };
  return {
    repeatPenalty,
    tokenBias: () => {
      const bias = TokenBias.for(model);
      for (const [token, count] of countTokens(history.output)) {
        bias.set([token as Token], { logit: -(count * frequencyPenalty + presencePenalty) });
      }
      return bias;
    },
  };
}

/** The same for llama.cpp's own sampler, as it is for the next token. @param noEnd no end token may come now. */
export function toSamplerConfig(
  sampling: Sampling,
  history: TokenHistory,
  biases: LogitBias,
  contextSize: number,
  noEnd: boolean,
): SamplerConfig {
  const { temperature = 1, topP = 1, topK = 0, minP = 0, seed = 0 } = sampling;
  const config = { temperature, topP, minP, seed: seedOf(seed), ...biases.forNextToken(history, noEnd) };
  return {
    ...config,
    ...(topK > 0 ? { topK } : {}),
    ...penaltyConfig(sampling, history, contextSize),
  };
}

function penaltyConfig(
  sampling: Sampling,
  history: TokenHistory,
  contextSize: number,
): Partial<SamplerConfig> {
  const { frequencyPenalty = 0, presencePenalty = 0, repetitionPenalty = 1 } = sampling;
  if (repetitionPenalty !== 1) {
    return {
      repeatPenalty: repetitionPenalty,
      repeatPenaltyMaxTokens: contextSize,
      repeatPenaltyTokens: Uint32Array.from([...history.prompt, ...history.output]),
    };
  }
  if (frequencyPenalty === 0 && presencePenalty === 0) return {};
  return {
    repeatPenalty: 1,
    repeatPenaltyFrequencyPenalty: frequencyPenalty,
    repeatPenaltyPresencePenalty: presencePenalty,
    repeatPenaltyMaxTokens: contextSize,
    repeatPenaltyTokens: Uint32Array.from(history.output),
  };
}

function seedOf(seed: number): number {
  return ((seed % SEEDS) + SEEDS) % SEEDS;
}
