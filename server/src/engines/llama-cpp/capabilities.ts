import type { EngineCapabilities } from "../../engine/port.ts";

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
    sampling: [
      "temperature",
      "topP",
      "topK",
      "minP",
      "seed",
      "frequencyPenalty",
      "presencePenalty",
      "repetitionPenalty",
      ...(nativeApi ? (["typicalP", "mirostat", "logitBias"] as const) : []),
    ],
    features: [
      "promptTokens",
      "plainText",
      "cacheScope",
      "cacheMaxTokens",
      "disableSpeculation",
      ...(nativeApi
        ? (["grammar", "logprobs", "promptLogprobs", "minTokens", "ignoreEos", "thinking"] as const)
        : []),
      ...(nativeApi && canRewind ? (["prediction"] as const) : []),
      ...(loras ? (["lora"] as const) : []),
    ],
    exactUsageOnAbort: true,
  };
}
