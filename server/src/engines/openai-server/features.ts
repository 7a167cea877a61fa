import type { EngineFeature, Sampling } from "../../engine/port.ts";

/** Abilities of a model server beyond those that every one has, by the names that settings use. */
const FEATURES: Readonly<Record<string, EngineFeature>> = {
  tools: "tools",
  reasoning: "reasoning",
  "reasoning-budget": "reasoningBudget",
  json: "json",
  grammar: "grammar",
  logprobs: "logprobs",
  "min-tokens": "minTokens",
  "ignore-eos": "ignoreEos",
  "cache-salt": "cacheScope",
};

const SAMPLING: Readonly<Record<string, keyof Sampling>> = { "logit-bias": "logitBias" };

/** What every vLLM can do, however it was started; tools and reasoning need a parser. */
const VLLM = ["json", "grammar", "logprobs", "min-tokens", "ignore-eos", "cache-salt", "logit-bias"];

export const SERVER_FEATURES: readonly string[] = [
  ...Object.keys(FEATURES),
  ...Object.keys(SAMPLING),
  "vllm",
];

/** The same in the port's words. @throws TypeError for a name that is none of `SERVER_FEATURES`. */
export function parseFeatures(names: readonly string[]): {
  features: EngineFeature[];
  sampling: (keyof Sampling)[];
} {
  const unknown = names.find((name) => !SERVER_FEATURES.includes(name));
  if (unknown !== undefined) throw new TypeError(`there is no feature ${unknown}`);
  const all = [...new Set(names.flatMap((name) => (name === "vllm" ? VLLM : [name])))];
  return {
    features: all.flatMap((name) => FEATURES[name] ?? []),
    sampling: all.flatMap((name) => SAMPLING[name] ?? []),
  };
}
