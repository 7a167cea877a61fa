/** Reads a byte-level BPE vocabulary from `tokenizer.json`: GPT-2, Llama 3, Qwen, newer Mistral models. */
import type { AddedToken, PatternName, PreTokenizer } from "../../tokenization/types.ts";
import { keyValue } from "../gguf/header-writer.ts";
import type { JsonObject } from "../json.ts";
import { readNormalizers, readPreTokenizers } from "./pipeline.ts";
import {
  checkAddedIds,
  mergeIds,
  readBpeSettings,
  readMerges,
  readVocabulary,
  TOKENIZER_JSON,
  TokenTable,
  TokenType,
  textsById,
  type Vocabulary,
} from "./token-table.ts";

/** llama.cpp's names of the pre-tokenizers that cut words like a pattern: the first one merges whole tokens too. */
const LLAMA_CPP_NAMES: Readonly<Record<PatternName, readonly [ignoreMerges: string, merges: string]>> = {
  "gpt-2": ["gpt-2", "gpt-2"],
  "words-3-digits": ["llama-bpe", "smaug-bpe"],
  "words-1-digit": ["qwen2", "qwen2"],
  "cased-words": ["tekken", "tekken"],
  "cased-words-3-digits": ["gpt-4o", "gpt-4o"],
};

/** @throws ModelFileError naming what is not supported. */
export function byteLevelBpeVocabulary(
  json: JsonObject,
  size: number,
  added: readonly AddedToken[],
): Vocabulary {
  const model = json.object("model");
  const vocabulary = readVocabulary(model);
  const table = new TokenTable(size, TOKENIZER_JSON);
  for (const [text, id] of vocabulary) table.set(id, text, TokenType.normal);
  for (const { id, text, special } of added) {
    table.set(id, text, special ? TokenType.control : TokenType.userDefined);
  }
  checkAddedIds(json, added, vocabulary);
  const merges = readMerges(model);
  const normalizers = readNormalizers(json);
  const replace = normalizers.find(({ type }) => type !== "NFC");
  if (replace !== undefined)
    throw json.fail("normalizer", `${replace.type} is not supported before ByteLevel.`);
  const preTokenizers = readPreTokenizers(json);
  if (preTokenizers.at(-1)?.type !== "ByteLevel")
    throw json.fail("pre_tokenizer", "must end with ByteLevel.");
  const settings = readBpeSettings(model, vocabulary);
  return {
    table,
    metadata: [
      keyValue.text("tokenizer.ggml.model", "gpt2"),
      keyValue.text("tokenizer.ggml.pre", llamaCppName(preTokenizers, settings.ignoreMerges)),
      // A space can separate the two, because tokens write it as another character.
      keyValue.texts(
        "tokenizer.ggml.merges",
        merges.map(([left, right]) => `${left} ${right}`),
      ),
    ],
    spec: {
      normalizers,
      preTokenizers,
      addedTokens: added,
      tokens: textsById(vocabulary),
      merges: mergeIds(model, merges, vocabulary),
      mergeRanks: null,
      ...settings,
    },
  };
}

/** llama.cpp's name of the nearest pre-tokenizer. The engine cuts by the steps; other programs may read the file. */
function llamaCppName(steps: readonly PreTokenizer[], ignoreMerges: boolean): string {
  const split = steps.find((step) => step.type === "Split");
  if (split === undefined) return "default";
  if (split.pattern === "gpt-2" && steps.some((step) => step.type === "Digits")) return "smollm";
  return LLAMA_CPP_NAMES[split.pattern][ignoreMerges ? 0 : 1];
}
