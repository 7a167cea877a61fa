import type { JsonObject } from "../json.ts";

const LISTS: Readonly<Record<string, string>> = {
  normalizer: "normalizers",
  pre_tokenizer: "pretokenizers",
  post_processor: "processors",
  decoder: "decoders",
};

/** The steps of a part of `tokenizer.json`: a single step, or the steps of a `Sequence`. */
export function pipelineSteps(json: JsonObject, key: string): JsonObject[] {
  const step = json.optionalObject(key);
  if (step === undefined) return [];
  if (step.text("type") !== "Sequence") return [step];
  const list = LISTS[key] as string;
  return step.array(list).map((item, index) => step.within(`${list}[${index}]`, item));
}
