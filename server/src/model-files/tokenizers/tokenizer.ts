/** Converts the tokenizer of a Hugging Face folder to GGUF metadata. */
import { readdir } from "node:fs/promises";
import { type AddedToken, TOKENIZER_KEY } from "../../tokenization/types.ts";
import { readSmallFile } from "../file-bytes.ts";
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
import type { DecoderConfig } from "../huggingface/decoder-config.ts";
import { type JsonObject, readJsonFile } from "../json.ts";
import { byteLevelBpeVocabulary } from "./byte-level-bpe.ts";
import { SENTENCEPIECE_FILE, sentencePieceModelVocabulary } from "./sentencepiece.ts";
import { sentencePieceBpeVocabulary } from "./sentencepiece-bpe.ts";
import {
  readTokenizerFiles,
  type SpecialTokens,
  specialTokenMetadata,
  specialTokens,
  type TokenizerFiles,
  tokenText,
} from "./special-tokens.ts";
import { readAddedTokens, TOKENIZER_JSON, type TokenTable, type Vocabulary } from "./token-table.ts";

const MAX_TOKENIZER_BYTES = 48 * 1024 ** 2;

export interface Tokenizer {
  table: TokenTable;
  special: SpecialTokens;
  chatTemplate: string | null;
  metadata: GgufKeyValue[];
}

/** @throws ModelFileError naming what is not supported. */
export async function readTokenizer(folder: string, config: DecoderConfig): Promise<Tokenizer> {
  const files = await readTokenizerFiles(folder, config.json);
  const names = await readdir(folder);
  if (!names.includes(TOKENIZER_JSON) && names.includes(SENTENCEPIECE_FILE)) {
    const bytes = await readSmallFile(folder, SENTENCEPIECE_FILE, MAX_TOKENIZER_BYTES);
    const added = addedTokensOf(null, config.vocabularySize, files.tokenizerConfig);
    const legacy = files.tokenizerConfig?.optionalBoolean("legacy") ?? true;
    const settings = { size: config.vocabularySize, added, legacy };
    return complete(sentencePieceModelVocabulary(bytes, settings), files, null);
  }
  const json = await readJsonFile(folder, TOKENIZER_JSON, MAX_TOKENIZER_BYTES);
  return complete(vocabularyOf(json, config.vocabularySize, files.tokenizerConfig), files, json);
}

/**
 * The vocabulary of a `tokenizer.json`.
 * @param size of the model's vocabulary
 * @throws ModelFileError naming what is not supported
 */
export function vocabularyOf(
  json: JsonObject,
  size: number,
  tokenizerConfig: JsonObject | null = null,
): Vocabulary {
  const model = json.object("model");
  if (model.text("type") !== "BPE") throw model.fail("type", "must be BPE; no other kind is supported.");
  const readVocabulary = model.optionalBoolean("byte_fallback")
    ? sentencePieceBpeVocabulary
    : byteLevelBpeVocabulary;
  return readVocabulary(json, size, addedTokensOf(json, size, tokenizerConfig));
}

/**
 * The added tokens without a padding token beyond the model's vocabulary: trainers add one for their batches, and no
 * text that the model reads or writes has it.
 */
function addedTokensOf(
  json: JsonObject | null,
  size: number,
  tokenizerConfig: JsonObject | null,
): AddedToken[] {
  const padding = [
    tokenText(tokenizerConfig, "pad_token"),
    tokenText(json?.optionalObject("padding"), "pad_token"),
  ];
  const isUnusable = ({ id, text }: AddedToken) => id >= size && padding.includes(text);
  return readAddedTokens(json, tokenizerConfig).filter((token) => !isUnusable(token));
}

/** Adds the tokens, the special tokens and the chat template to a vocabulary. */
function complete(
  { table, metadata, spec }: Vocabulary,
  files: TokenizerFiles,
  json: JsonObject | null,
): Tokenizer {
  const tokens = table.filled();
  const special = specialTokens(files, table, json);
  const { chatTemplate } = files;
  return {
    table,
    special,
    chatTemplate,
    metadata: [
      ...metadata,
      keyValue.texts(
        "tokenizer.ggml.tokens",
        tokens.map(({ text }) => text),
      ),
      keyValue.ints(
        "tokenizer.ggml.token_type",
        tokens.map(({ type }) => type),
      ),
      keyValue.text(TOKENIZER_KEY, JSON.stringify(spec)),
      ...specialTokenMetadata(special),
      ...(chatTemplate === null ? [] : [keyValue.text("tokenizer.chat_template", chatTemplate)]),
    ],
  };
}
