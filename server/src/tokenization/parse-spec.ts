import { isPatternName } from "./patterns.ts";
import { META_SPACE, type TokenizerSpec } from "./types.ts";

/**
 * Reads a spec from a GGUF file, which may be anybody's: what it lets through costs no more than the length of the text.
 * @param size of the model's vocabulary
 * @throws Error when it is not one that a conversion writes
 */
export function parseTokenizerSpec(json: string, size: number): TokenizerSpec {
  const spec = JSON.parse(json) as TokenizerSpec;
  const isId = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < size;
  const checks: [name: keyof TokenizerSpec, isValid: boolean][] = [
    ["normalizers", spec.normalizers.every(isNormalizer)],
    ["preTokenizers", spec.preTokenizers.every(isPreTokenizer)],
    ["addedTokens", spec.addedTokens.every(({ id, text }) => isId(id) && typeof text === "string")],
    [
      "tokens",
      spec.tokens.length <= size && spec.tokens.every((text) => text === null || typeof text === "string"),
    ],
    ["merges", spec.merges.length % 3 === 0 && spec.merges.every(isId)],
    ["mergeRanks", spec.mergeRanks === null || areRanks(spec.mergeRanks, spec.merges.length / 3)],
    ["unknown", spec.unknown === null || isId(spec.unknown)],
  ];
  const wrong = checks.find(([, isValid]) => !isValid);
  if (wrong !== undefined) throw new Error(`the tokenizer's ${wrong[0]} are not valid`);
  return spec;
}

function isNormalizer(step: TokenizerSpec["normalizers"][number]): boolean {
  if (step.type === "Prepend") return step.text === META_SPACE;
  if (step.type === "Replace") return step.from === " " && step.to === META_SPACE;
  return step.type === "NFC";
}

function isPreTokenizer(step: TokenizerSpec["preTokenizers"][number]): boolean {
  if (step.type === "Split") return isPatternName(step.pattern);
  return ["Digits", "PrefixSpace", "Metaspace", "ByteLevel"].includes(step.type);
}

function areRanks(ranks: readonly number[], count: number): boolean {
  return ranks.length === count && ranks.every((rank) => Number.isInteger(rank) && rank >= 0 && rank < count);
}
