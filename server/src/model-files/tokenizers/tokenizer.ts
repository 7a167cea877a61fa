/** The tokenizer of a Hugging Face folder as settings of a GGUF file. */
import { readdir } from "node:fs/promises";
import { ModelFileError } from "../errors.ts";
import { type Setting, setting } from "../gguf/writer.ts";
import type { DecoderConfig } from "../huggingface/config.ts";
import { type JsonObject, readJsonFile } from "../json.ts";
import { bytePairTokens } from "./byte-pairs.ts";
import {
  readTokenizerFiles,
  type SpecialTokens,
  specialSettings,
  specialTokens,
  type TokenizerFiles,
} from "./special.ts";
import { TOKENIZER_JSON, type TokenTable } from "./tokens.ts";

const MAX_TOKENIZER_BYTES = 64 * 1024 ** 2;

export interface Tokenizer {
  table: TokenTable;
  special: SpecialTokens;
  chatTemplate: string | null;
  settings: Setting[];
}

/** @throws ModelFileError naming what is not supported. */
export async function readTokenizer(folder: string, config: DecoderConfig): Promise<Tokenizer> {
  const files = await readTokenizerFiles(folder, config.json);
  const names = await readdir(folder);
  if (!names.includes(TOKENIZER_JSON)) throw new ModelFileError(TOKENIZER_JSON, "is missing.");
  const json = await readJsonFile(folder, TOKENIZER_JSON, MAX_TOKENIZER_BYTES);
  const { table, settings } = vocabularyOf(json, config.vocabularySize);
  return complete(table, settings, files, json);
}

function vocabularyOf(json: JsonObject, size: number) {
  const type = json.object("model").text("type");
  if (type !== "BPE") {
    throw json.fail("model.type", `${JSON.stringify(type.slice(0, 40))} is not supported; BPE is.`);
  }
  return bytePairTokens(json, size);
}

function complete(
  table: TokenTable,
  settings: Setting[],
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
    settings: [
      ...settings,
      setting.texts(
        "tokenizer.ggml.tokens",
        tokens.map(({ text }) => text),
      ),
      setting.ints(
        "tokenizer.ggml.token_type",
        tokens.map(({ type }) => type),
      ),
      ...specialSettings(special),
      ...(chatTemplate === null ? [] : [setting.text("tokenizer.chat_template", chatTemplate)]),
    ],
  };
}
