/**
 * Reads a SentencePiece-style BPE vocabulary from `tokenizer.json`: Llama 2, Mistral, Gemma, Phi-3. Pieces write a
 * space as "▁", and text without a piece becomes byte tokens.
 */
import { byteText } from "../../tokenization/bpe.ts";
import { type AddedToken, META_SPACE, type TokenizerSpec } from "../../tokenization/types.ts";
import { ModelFileError } from "../errors.ts";
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
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

/** Score of pieces that no pair makes. It is below the scores of all other pieces. */
const LEAST_SCORE = -1e9;

/** @throws ModelFileError naming what is not supported. */
export function sentencePieceBpeVocabulary(
  json: JsonObject,
  size: number,
  added: readonly AddedToken[],
): Vocabulary {
  const model = json.object("model");
  const vocabulary = readVocabulary(model);
  const settings = readBpeSettings(model, vocabulary);
  const merges = readMerges(model);
  const ranks = firstRanks(merges);
  const table = new TokenTable(size, TOKENIZER_JSON);
  const scores = new Array<number>(size).fill(0);
  for (const [text, id] of vocabulary) {
    table.set(id, text, pieceType(text, id === settings.unknown));
    const rank = ranks.get(text);
    scores[id] = rank === undefined ? LEAST_SCORE : -rank;
  }
  addTokens(table, added);
  checkAddedIds(json, added, vocabulary);
  checkByteTokens(table, TOKENIZER_JSON);
  const normalizers = readNormalizers(json);
  const preTokenizers = readPreTokenizers(json);
  checkSpaces(json, { normalizers, preTokenizers });
  const prepends =
    normalizers.some(({ type }) => type === "Prepend") ||
    preTokenizers.some((step) => step.type === "Metaspace" && step.prepend !== "never");
  return {
    table,
    metadata: sentencePieceMetadata(scores, prepends),
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

/**
 * The metadata of llama.cpp's own tokenizer, which writes tokens as text. Its scores only come near the merges; the
 * engine follows the merges.
 */
export function sentencePieceMetadata(scores: readonly number[], prependsSpace: boolean): GgufKeyValue[] {
  return [
    keyValue.text("tokenizer.ggml.model", "llama"),
    keyValue.text("tokenizer.ggml.pre", "default"),
    keyValue.floats("tokenizer.ggml.scores", scores),
    keyValue.boolean("tokenizer.ggml.add_space_prefix", prependsSpace),
  ];
}

export function addTokens(table: TokenTable, added: readonly AddedToken[]): void {
  for (const { id, text, special } of added) {
    if (table.get(id)?.type === TokenType.unknown) continue;
    // Added tokens are matched in the original text, which has real spaces.
    if (special) table.set(id, text, TokenType.control);
    else table.set(id, text.replaceAll(META_SPACE, " "), TokenType.userDefined);
  }
}

/**
 * Checks that every byte has a token, because llama.cpp falls back to bytes for text without pieces.
 * @throws ModelFileError
 */
export function checkByteTokens(table: TokenTable, file: string): void {
  for (let byte = 0; byte < 256; byte++) {
    const names = byte < 128 ? [byteText(byte), String.fromCharCode(byte)] : [byteText(byte)];
    if (names.every((name) => table.id(name) === undefined)) {
      throw new ModelFileError(file, `the token "${byteText(byte)}" is missing.`);
    }
  }
}

function pieceType(text: string, isUnknown: boolean): TokenType {
  if (isUnknown) return TokenType.unknown;
  return /^<0x[0-9A-F]{2}>$/.test(text) ? TokenType.byte : TokenType.normal;
}

/** The first rank of each text that a pair makes. */
function firstRanks(merges: readonly (readonly [left: string, right: string])[]): Map<string, number> {
  const ranks = new Map<string, number>();
  for (const [rank, [left, right]] of merges.entries()) {
    if (!ranks.has(left + right)) ranks.set(left + right, rank);
  }
  return ranks;
}

/** @throws ModelFileError unless spaces become "▁", as the vocabulary and the decoder have them. */
function checkSpaces(
  json: JsonObject,
  { normalizers, preTokenizers }: Pick<TokenizerSpec, "normalizers" | "preTokenizers">,
): void {
  for (const step of normalizers) {
    const text = step.type === "Prepend" ? step.text : step.type === "Replace" ? step.to : META_SPACE;
    if (text !== META_SPACE) throw json.fail("normalizer", `must replace spaces by "${META_SPACE}".`);
  }
  const isReplaced =
    normalizers.some(({ type }) => type === "Replace") ||
    preTokenizers.some(({ type }) => type === "Metaspace");
  if (!isReplaced) throw json.fail("normalizer", `must replace spaces by "${META_SPACE}".`);
  if (preTokenizers.some(({ type }) => type === "ByteLevel")) {
    throw json.fail("pre_tokenizer", "must not be ByteLevel where model.byte_fallback is true.");
  }
}
