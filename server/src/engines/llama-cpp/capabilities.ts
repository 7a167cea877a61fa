import { type EngineCapabilities, supportedFeatures } from "../../engine/generation.ts";
import { supportedSampling } from "../../engine/sampling.ts";

export interface EngineFacilities {
  /** The library's inner functions passed their self-test. */
  nativeApi: boolean;
  /** A slot's state can be cut off after any token. */
  canRewind: boolean;
  loras: boolean;
}

/** The capabilities of the engine with a model. */
export function capabilitiesOf({ nativeApi, canRewind, loras }: EngineFacilities): EngineCapabilities {
  return {
    rendersChat: false,
    sampling: supportedSampling({
      temperature: true,
      topP: true,
      topK: true,
      minP: true,
      seed: true,
      frequencyPenalty: true,
      presencePenalty: true,
      repetitionPenalty: true,
      typicalP: nativeApi,
      mirostat: nativeApi,
      logitBias: nativeApi,
    }),
    features: supportedFeatures({
      promptTokens: true,
      plainText: true,
      cacheScope: true,
      cacheMaxTokens: true,
      disableSpeculation: true,
      grammar: nativeApi,
      logprobs: nativeApi,
      promptLogprobs: nativeApi,
      minTokens: nativeApi,
      ignoreEos: nativeApi,
      thinking: nativeApi,
      prediction: nativeApi && canRewind,
      lora: loras,
      // Only engines that render chat have these.
      tools: false,
      reasoning: false,
      reasoningBudget: false,
      finalTurn: false,
      json: false,
    }),
    exactUsageOnAbort: true,
    earlyFirstDelta: true,
  };
}
