/** Reads a byte-level BPE vocabulary from `tokenizer.json`: GPT-2, Llama 3, Qwen, newer Mistral models. */
import { keyValue } from "../gguf/header-writer.ts";
import type { JsonObject } from "../json.ts";
import { pipelineSteps } from "./pipeline.ts";
import {
  type AddedToken,
  readMerges,
  readVocabulary,
  TOKENIZER_JSON,
  TokenTable,
  TokenType,
  type Vocabulary,
} from "./token-table.ts";

/** The step that splits text before merging. */
interface PreTokenizer {
  /** llama.cpp's name of the pre-tokenizer. */
  name: string;
  /** Regular expression that the pieces match. */
  pattern: string;
  /** A whole piece that is a token is used as it is, without merging. */
  ignoreMerges: boolean;
}

const WORDS_3_DIGITS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CASED_WORDS =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+SUFFIX|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*SUFFIX|DIGITS| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";

const PRE_TOKENIZERS: readonly PreTokenizer[] = [
  { name: "llama-bpe", pattern: WORDS_3_DIGITS, ignoreMerges: true },
  { name: "smaug-bpe", pattern: WORDS_3_DIGITS, ignoreMerges: false },
  { name: "qwen2", pattern: WORDS_3_DIGITS.replace("{1,3}", ""), ignoreMerges: false },
  {
    name: "tekken",
    pattern: CASED_WORDS.replaceAll("SUFFIX", "").replace("DIGITS", "\\p{N}"),
    ignoreMerges: true,
  },
  {
    name: "gpt-4o",
    pattern: CASED_WORDS.replaceAll("SUFFIX", CONTRACTIONS).replace("DIGITS", "\\p{N}{1,3}"),
    ignoreMerges: false,
  },
];

/** @throws ModelFileError naming what is not supported. */
export function byteLevelBpeVocabulary(
  json: JsonObject,
  size: number,
  added: readonly AddedToken[],
): Vocabulary {
  const model = json.object("model");
  const table = new TokenTable(size, TOKENIZER_JSON);
  for (const [text, id] of readVocabulary(model)) table.set(id, text, TokenType.normal);
  for (const { id, text, special } of added) {
    table.set(id, text, special ? TokenType.control : TokenType.userDefined);
  }
  const merges = readMerges(model);
  return {
    table,
    metadata: [
      keyValue.text("tokenizer.ggml.model", "gpt2"),
      keyValue.text("tokenizer.ggml.pre", preTokenizerName(json, model)),
      // A space can separate the two, because tokens write it as another character.
      keyValue.texts(
        "tokenizer.ggml.merges",
        merges.map(([left, right]) => `${left} ${right}`),
      ),
    ],
  };
}

/** llama.cpp's name of the pre-tokenizer. @throws ModelFileError when llama.cpp has none like it. */
function preTokenizerName(json: JsonObject, model: JsonObject): string {
  for (const part of pipelineSteps(json, "normalizer")) {
    // llama.cpp does not normalise. NFC changes nothing in almost all texts, so it is accepted.
    if (part.text("type") !== "NFC") throw part.fail("type", "is a normalizer that is not supported.");
  }
  const steps = pipelineSteps(json, "pre_tokenizer");
  const bytes = steps.at(-1);
  if (bytes?.text("type") !== "ByteLevel") throw json.fail("pre_tokenizer", "must end with ByteLevel.");
  if (bytes.optionalBoolean("add_prefix_space") ?? true) {
    throw bytes.fail("add_prefix_space", "true is not supported.");
  }
  const cutsWords = bytes.optionalBoolean("use_regex") ?? true;
  const [first, ...others] = steps.slice(0, -1);
  const ignoreMerges = model.optionalBoolean("ignore_merges") ?? false;
  if (others.length === 0) {
    if (first === undefined && cutsWords) return "gpt-2";
    if (first?.text("type") === "Digits" && first.optionalBoolean("individual_digits") && cutsWords)
      return "smollm";
    const pattern =
      first?.text("type") === "Split" && !cutsWords ? first.object("pattern").optionalText("Regex") : null;
    const candidates = PRE_TOKENIZERS.filter((candidate) => candidate.pattern === pattern);
    const match = candidates.find((candidate) => candidate.ignoreMerges === ignoreMerges) ?? candidates[0];
    if (match !== undefined) return match.name;
  }
  throw json.fail("pre_tokenizer", "cuts texts in a way that is not supported.");
}
