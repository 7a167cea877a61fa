/** Reads the steps of `tokenizer.json` that change and cut texts. A step that can't be done exactly is refused by name. */
import { patternName } from "../../tokenization/patterns.ts";
import { META_SPACE, type Normalizer, type PreTokenizer } from "../../tokenization/types.ts";
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

/** @throws ModelFileError naming a step that is not supported. */
export function readNormalizers(json: JsonObject): Normalizer[] {
  return pipelineSteps(json, "normalizer").map((step) => {
    const type = step.text("type");
    if (type === "NFC") return { type };
    if (type === "Prepend") return { type, text: step.text("prepend") };
    if (type === "Replace" && matchesSpace(step)) return { type, from: " ", to: step.text("content") };
    throw step.fail("type", "is a normalizer that is not supported.");
  });
}

/** @throws ModelFileError naming a step that is not supported. */
export function readPreTokenizers(json: JsonObject): PreTokenizer[] {
  const replacesSpaces = readNormalizers(json).some((step) => step.type === "Replace");
  const steps = pipelineSteps(json, "pre_tokenizer");
  return steps.flatMap((step, index): PreTokenizer[] => {
    switch (step.text("type")) {
      case "ByteLevel":
        if (index < steps.length - 1) throw json.fail("pre_tokenizer", "must end with ByteLevel.");
        return [
          ...((step.optionalBoolean("add_prefix_space") ?? true) ? [{ type: "PrefixSpace" } as const] : []),
          ...((step.optionalBoolean("use_regex") ?? true)
            ? [{ type: "Split", pattern: "gpt-2" } as const]
            : []),
          { type: "ByteLevel" },
        ];
      case "Digits":
        return [{ type: "Digits", individual: step.optionalBoolean("individual_digits") ?? false }];
      case "Split":
        // No space is left to cut at where a normalizer has replaced them all.
        return replacesSpaces && matchesSpace(step) ? [] : [readSplit(step)];
      case "Metaspace":
        return [readMetaspace(step)];
      default:
        throw step.fail("type", "is a pre_tokenizer that is not supported.");
    }
  });
}

function readSplit(step: JsonObject): PreTokenizer {
  const source = step.object("pattern").optionalText("Regex");
  const pattern = source === undefined ? null : patternName(source);
  if (pattern === null) throw step.fail("pattern", "cuts texts in a way that is not supported.");
  if (step.optionalText("behavior") !== "Isolated") throw step.fail("behavior", "must be Isolated.");
  if (step.optionalBoolean("invert") === true) throw step.fail("invert", "must be false.");
  return { type: "Split", pattern };
}

function readMetaspace(step: JsonObject): PreTokenizer {
  if (step.text("replacement") !== META_SPACE) throw step.fail("replacement", `must be "${META_SPACE}".`);
  // Older files have add_prefix_space instead.
  const scheme =
    step.optionalText("prepend_scheme") ??
    (step.optionalBoolean("add_prefix_space") === false ? "never" : "always");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw step.fail("prepend_scheme", "must be always, first or never.");
  }
  return { type: "Metaspace", prepend: scheme, split: step.optionalBoolean("split") ?? true };
}

function matchesSpace(step: JsonObject): boolean {
  return step.object("pattern").optionalText("String") === " ";
}
