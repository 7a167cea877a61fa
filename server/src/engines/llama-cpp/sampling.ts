import { type LlamaModel, type SequenceEvaluateOptions, type Token, TokenBias } from "node-llama-cpp";
import type { Sampling } from "../../engine/port.ts";

/** llama.cpp takes 2³² − 1 to mean "any seed"; so seeds are taken modulo that number. */
const SEEDS = 0xffff_ffff;

/** Tokens made so far, grown by the decoder. */
export interface TokenHistory {
  readonly prompt: readonly Token[];
  readonly output: readonly Token[];
}

/** The port's sampling in the library's words. Read anew by the library at every token through the functions. */
export function evaluateOptions(
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
    seed: ((seed % SEEDS) + SEEDS) % SEEDS,
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
        punishTokens: () => [...history.output],
      },
    };
  }
  const repeatPenalty = { ...constant, punishTokens: () => [...history.prompt, ...history.output] };
  if (!byCount) return { repeatPenalty };
  return {
    repeatPenalty,
    tokenBias: () => {
      const bias = TokenBias.for(model);
      for (const [token, count] of counts(history.output)) {
        bias.set([token], { logit: -(count * frequencyPenalty + presencePenalty) });
      }
      return bias;
    },
  };
}

function counts(tokens: readonly Token[]): Map<Token, number> {
  const result = new Map<Token, number>();
  for (const token of tokens) result.set(token, (result.get(token) ?? 0) + 1);
  return result;
}
