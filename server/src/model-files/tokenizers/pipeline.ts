import type { JsonObject } from "../json.ts";

const LISTS: Readonly<Record<string, string>> = {
  normalizer: "normalizers",
  pre_tokenizer: "pretokenizers",
  post_processor: "processors",
  decoder: "decoders",
};

/** The steps of a part of `tokenizer.json`: one, or those of a sequence. */
export function pipelineSteps(json: JsonObject, key: string): JsonObject[] {
  const whole = json.optionalObject(key);
  if (whole === undefined) return [];
  if (whole.text("type") !== "Sequence") return [whole];
  const list = LISTS[key] as string;
  return whole.array(list).map((step, index) => whole.within(`${list}[${index}]`, step));
}
