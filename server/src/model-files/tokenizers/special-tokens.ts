/** Reads the special tokens and the chat template from the files beside the tokenizer. */
import { readdir } from "node:fs/promises";
import { END_TOKENS_KEY } from "../../tokenization/types.ts";
import { ModelFileError } from "../errors.ts";
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
import { type JsonObject, readJsonFile } from "../json.ts";
import { readChatTemplate } from "./chat-template.ts";
import { pipelineSteps } from "./pipeline.ts";
import type { TokenTable } from "./token-table.ts";

const MAX_CONFIG_BYTES = 16 * 1024 ** 2;

/** The files beside a tokenizer; null for a file that does not exist. */
export interface TokenizerFiles {
  config: JsonObject;
  tokenizerConfig: JsonObject | null;
  generationConfig: JsonObject | null;
  chatTemplate: string | null;
}

export interface SpecialTokens {
  bos: number | null;
  /** The tokens that end a response, at least one. The end-of-sequence token is first. */
  ends: number[];
  unknown: number | null;
  padding: number | null;
  addBos: boolean;
  addEos: boolean;
}

export async function readTokenizerFiles(folder: string, config: JsonObject): Promise<TokenizerFiles> {
  const names = await readdir(folder);
  const tokenizerConfig = await readTokenizerConfig(folder, names);
  return {
    config,
    tokenizerConfig,
    generationConfig: await readOptional(folder, names, "generation_config.json"),
    chatTemplate: await readChatTemplate(folder, names, tokenizerConfig),
  };
}

export function readTokenizerConfig(folder: string, names: readonly string[]): Promise<JsonObject | null> {
  return readOptional(folder, names, "tokenizer_config.json");
}

async function readOptional(
  folder: string,
  names: readonly string[],
  name: string,
): Promise<JsonObject | null> {
  return names.includes(name) ? await readJsonFile(folder, name, MAX_CONFIG_BYTES) : null;
}

/** @throws ModelFileError when no token ends a response. */
export function specialTokens(
  files: TokenizerFiles,
  table: TokenTable,
  tokenizer: JsonObject | null,
): SpecialTokens {
  const named = (key: string) => namedToken(files.tokenizerConfig, key, table);
  const configured = (json: JsonObject | null, key: string) => configuredTokenIds(json, key, table);
  const bos = named("bos_token") ?? configured(files.config, "bos_token_id")[0] ?? null;
  const eos = named("eos_token");
  const ends = new Set([
    ...(eos === null ? [] : [eos]),
    ...configured(files.generationConfig, "eos_token_id"),
    ...configured(files.config, "eos_token_id"),
  ]);
  if (ends.size === 0)
    throw new ModelFileError("config.json", "eos_token_id is missing: nothing would end a reply.");
  const [first, last] = postProcessorTokens(tokenizer);
  const isText = (id: number | null, text: string | undefined) => id !== null && table.get(id)?.text === text;
  const adds = (key: string) => files.tokenizerConfig?.optionalBoolean(key);
  return {
    bos,
    ends: [...ends],
    unknown: named("unk_token"),
    // Nothing is padded here, so that a model need not have the token that its trainer used.
    padding: table.id(tokenText(files.tokenizerConfig, "pad_token") ?? "") ?? null,
    addBos: bos !== null && (adds("add_bos_token") ?? isText(bos, first)),
    addEos: adds("add_eos_token") ?? isText(eos, last),
  };
}

export function specialTokenMetadata(special: SpecialTokens): GgufKeyValue[] {
  // llama.cpp has keys for three end tokens: eos, eot and eom. The engine reads all of them from a key of its own.
  const [eos, eot, eom] = special.ends;
  const id = (name: string, value: number | null | undefined) =>
    value === null || value === undefined ? [] : [keyValue.uint(`tokenizer.ggml.${name}_token_id`, value)];
  return [
    ...id("bos", special.bos ?? eos),
    ...id("eos", eos),
    ...id("eot", eot),
    ...id("eom", eom),
    ...id("unknown", special.unknown),
    ...id("padding", special.padding),
    keyValue.ints(END_TOKENS_KEY, special.ends),
    keyValue.boolean("tokenizer.ggml.add_bos_token", special.addBos),
    keyValue.boolean("tokenizer.ggml.add_eos_token", special.addEos),
  ];
}

/** The id of a token that the field gives by its text; null when the field is absent or empty. */
function namedToken(json: JsonObject | null, key: string, table: TokenTable): number | null {
  const text = tokenText(json, key);
  if (json === null || text === null) return null;
  const id = table.id(text);
  if (id === undefined) throw json.fail(key, "is not in the vocabulary.");
  return id;
}

/** A token's text, plain or in an object; null when the field is absent or empty. */
export function tokenText(json: JsonObject | null | undefined, key: string): string | null {
  const value = json?.raw(key);
  if (!json || value === undefined) return null;
  return (typeof value === "string" ? value : json.object(key).text("content")) || null;
}

/**
 * The field's token ids, one or several. Ids without a token are left out, because the model can never produce them.
 */
function configuredTokenIds(json: JsonObject | null, key: string, table: TokenTable): number[] {
  const value = json?.raw(key);
  if (json === null || value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((id): id is number => {
    if (typeof id !== "number" || !Number.isInteger(id)) {
      throw json.fail(key, "must be a token id, or a list of them.");
    }
    return table.get(id) !== undefined;
  });
}

/**
 * Texts of the special tokens that the tokenizer adds before and after every text.
 * @throws ModelFileError when there is more than one on a side, or a step of another type.
 */
function postProcessorTokens(
  tokenizer: JsonObject | null,
): [first: string | undefined, last: string | undefined] {
  const steps = tokenizer === null ? [] : pipelineSteps(tokenizer, "post_processor");
  // ByteLevel moves offsets alone.
  const templates = steps.filter((step) => step.text("type") !== "ByteLevel");
  const other = templates.find((step) => step.text("type") !== "TemplateProcessing");
  if (other !== undefined) throw other.fail("type", "is a post_processor that is not supported.");
  const [template, second] = templates;
  if (template === undefined) return [undefined, undefined];
  const items = template.array("single").map((item, index) => template.within(`single[${index}]`, item));
  const special = items.map((item) => item.optionalObject("SpecialToken")?.text("id"));
  const text = special.indexOf(undefined);
  if (second !== undefined || text < 0 || text > 1 || special.length > text + 2) {
    throw template.fail("single", "must be a text with at most one special token on either side.");
  }
  return [special[text - 1], special[text + 1]];
}
