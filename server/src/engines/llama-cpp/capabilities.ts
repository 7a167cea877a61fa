import { type EngineCapabilities, supportedFeatures } from "../../engine/generation.ts";
import { supportedSampling } from "../../engine/sampling.ts";

/**
 * Capabilities of the engine with one model.
 * @param found results of the self-tests: whether the library's native functions work, whether a slot's state can be
 * cut off at any token, and whether LoRAs work.
 */
export function capabilitiesOf(found: {
  nativeApi: boolean;
  canRewind: boolean;
  loras: boolean;
}): EngineCapabilities {
  const { nativeApi, canRewind, loras } = found;
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
      json: false,
    }),
    exactUsageOnAbort: true,
  };
}
