import type { EngineCapabilities } from "../../engine/port.ts";

/**
 * What the engine honours with a model.
 * @param found whether the library's inner functions can be used, whether a slot's state can be cut off anywhere, and
 * whether adapters can be used.
 */
export function capabilitiesOf(found: {
  nativeApi: boolean;
  canRewind: boolean;
  loras: boolean;
}): EngineCapabilities {
  const { nativeApi: direct, canRewind: rewinds, loras: adapters } = found;
  return {
    rendersChat: false,
    sampling: [
      "temperature",
      "topP",
      "topK",
      "minP",
      "seed",
      "frequencyPenalty",
      "presencePenalty",
      "repetitionPenalty",
      ...(direct ? (["typicalP", "mirostat", "logitBias"] as const) : []),
    ],
    features: [
      "promptTokens",
      "plainText",
      "cacheScope",
      "cacheMaxTokens",
      "disableSpeculation",
      ...(direct
        ? (["grammar", "logprobs", "promptLogprobs", "minTokens", "ignoreEos", "thinking"] as const)
        : []),
      ...(direct && rewinds ? (["prediction"] as const) : []),
      ...(adapters ? (["lora"] as const) : []),
    ],
    exactUsageOnAbort: true,
  };
}
