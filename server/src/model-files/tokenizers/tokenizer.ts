/** Converts the tokenizer of a Hugging Face folder to GGUF metadata. */
import { readdir } from "node:fs/promises";
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
    const added = readAddedTokens(null, files.tokenizerConfig);
    return complete(sentencePieceModelVocabulary(bytes, config.vocabularySize, added), files, null);
  }
  const json = await readJsonFile(folder, TOKENIZER_JSON, MAX_TOKENIZER_BYTES);
  const model = json.object("model");
  if (model.text("type") !== "BPE") throw model.fail("type", "must be BPE; no other kind is supported.");
  const readVocabulary = model.optionalBoolean("byte_fallback")
    ? sentencePieceBpeVocabulary
    : byteLevelBpeVocabulary;
  const added = readAddedTokens(json, files.tokenizerConfig);
  return complete(readVocabulary(json, config.vocabularySize, added), files, json);
}

/** Adds the tokens, the special tokens and the chat template to a vocabulary. */
function complete(
  { table, metadata }: Vocabulary,
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
      ...specialTokenMetadata(special),
      ...(chatTemplate === null ? [] : [keyValue.text("tokenizer.chat_template", chatTemplate)]),
    ],
  };
}
