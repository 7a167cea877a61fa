import { type EngineCapabilities, supportedFeatures } from "../../engine/generation.ts";
import { supportedSampling } from "../../engine/sampling.ts";
import type { Dialect } from "./protocol.ts";

/** Abilities that only some model servers have, by the names that settings use. */
const ABILITIES = [
  "tools",
  "reasoning",
  "reasoning-budget",
  "json",
  "grammar",
  "logprobs",
  "min-tokens",
  "ignore-eos",
  "cache-salt",
  "logit-bias",
  "prefill",
] as const;

type Ability = (typeof ABILITIES)[number];

/** Abilities of every vLLM, however it was started; tools and reasoning need a parser that the operator chooses. */
const VLLM: readonly Ability[] = [
  "json",
  "grammar",
  "logprobs",
  "min-tokens",
  "ignore-eos",
  "cache-salt",
  "logit-bias",
  "prefill",
];

/** Names that settings may list for a model server; `vllm` stands for the abilities of every vLLM. */
export const SERVER_FEATURES: readonly string[] = [...ABILITIES, "vllm"];

/** @param names some of `SERVER_FEATURES`. @throws TypeError for any other name. */
export function capabilitiesOf(dialect: Dialect, names: readonly string[]): EngineCapabilities {
  const unknown = names.find((name) => !SERVER_FEATURES.includes(name));
  if (unknown !== undefined) throw new TypeError(`there is no feature ${unknown}`);
  const has = (ability: Ability) =>
    names.includes(ability) || (names.includes("vllm") && VLLM.includes(ability));
  const isExtended = dialect === "extended";
  return {
    rendersChat: true,
    sampling: supportedSampling({
      temperature: true,
      topP: true,
      topK: isExtended,
      minP: isExtended,
      seed: true,
      frequencyPenalty: true,
      presencePenalty: true,
      repetitionPenalty: isExtended,
      typicalP: false,
      mirostat: false,
      logitBias: has("logit-bias"),
    }),
    features: supportedFeatures({
      grammar: has("grammar"),
      logprobs: has("logprobs"),
      minTokens: has("min-tokens"),
      ignoreEos: has("ignore-eos"),
      cacheScope: has("cache-salt"),
      tools: has("tools"),
      reasoning: has("reasoning"),
      reasoningBudget: has("reasoning-budget"),
      json: has("json"),
      finalTurn: has("prefill"),
      // The OpenAI API has no fields for these.
      promptTokens: false,
      promptLogprobs: false,
      prediction: false,
      cacheMaxTokens: false,
      lora: false,
      disableSpeculation: false,
      thinking: false,
      plainText: false,
    }),
    exactUsageOnAbort: false,
    earlyFirstDelta: false,
  };
}
