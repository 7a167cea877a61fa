import {
  type LlamaContextSequence,
  type LlamaModel,
  type SequenceEvaluateOptions,
  type Token,
  TokenBias,
} from "node-llama-cpp";
import { SamplerConfigBuilder } from "../sampling/sampler-config.ts";
import type { Decoder, DecodeSpec, GeneratedToken } from "../scheduling/backend.ts";
import { textEncoderOf } from "../tokenizer/text-encoder.ts";
import type { SamplerConfig } from "./native-api.ts";

export interface PublicApiDecoderOptions {
  model: LlamaModel;
  sequence: LlamaContextSequence;
  contextSize: number;
  /** Tokens of the prompt that are left to compute. */
  tokens: readonly number[];
  spec: Pick<DecodeSpec, "sampling" | "prompt">;
}

/**
 * Generates tokens by the library's public functions alone, which pick each token themselves. The fallback where the
 * library's inner functions fail their self-test, and that test's reference. Honours no more than the sampling
 * parameters of `SamplerConfig`.
 */
export class PublicApiDecoder implements Decoder {
  readonly #model: LlamaModel;
  readonly #tokens: AsyncGenerator<{ token: Token }>;
  readonly #output: number[] = [];

  constructor({ model, sequence, contextSize, tokens, spec }: PublicApiDecoderOptions) {
    this.#model = model;
    const { sampling, prompt } = spec;
    const configs = new SamplerConfigBuilder({ sampling, prompt, contextSize, endTokens: [] });
    const options = toEvaluateOptions(model, () => configs.forNextToken(this.#output, false));
    this.#tokens = sequence.evaluateWithMetadata([...tokens] as Token[], {}, options);
  }

  async next(): Promise<readonly GeneratedToken[]> {
    const { value, done } = await this.#tokens.next();
    if (done || value === undefined) throw new Error("the model stopped without an end token");
    const { token } = value;
    this.#output.push(token);
    return [{ token, ends: textEncoderOf(this.#model).endTokens.has(token) }];
  }

  end(): void {
    this.#tokens.return(undefined).catch(() => {});
  }
}

/** @param config the configuration for the next token; the library asks for tokens and biases anew each time. */
function toEvaluateOptions(model: LlamaModel, config: () => SamplerConfig): SequenceEvaluateOptions {
  const { temperature, topP = 1, topK, minP = 0, seed = 0, repeatPenalty, ...penalties } = config();
  return {
    temperature,
    topP,
    // The library's type has no null, which alone leaves top-k out: absent means 40, and 0 sorts the vocabulary.
    topK: topK ?? (null as unknown as number),
    minP,
    seed,
    yieldEogToken: true,
    tokenBias: () => {
      const bias = TokenBias.for(model);
      const { tokenBiasKeys, tokenBiasValues } = config();
      for (const [i, token] of tokenBiasKeys?.entries() ?? []) {
        bias.set([token as Token], { logit: tokenBiasValues![i]! });
      }
      return bias;
    },
    ...(repeatPenalty === undefined
      ? {}
      : {
          repeatPenalty: {
            penalty: repeatPenalty,
            frequencyPenalty: penalties.repeatPenaltyFrequencyPenalty ?? 0,
            presencePenalty: penalties.repeatPenaltyPresencePenalty ?? 0,
            maxPunishTokens: penalties.repeatPenaltyMaxTokens!,
            punishTokens: () => Array.from(config().repeatPenaltyTokens!) as Token[],
          },
        }),
  };
}
