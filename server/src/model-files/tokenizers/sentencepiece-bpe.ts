/**
 * Reads a SentencePiece-style BPE vocabulary from `tokenizer.json`: Llama 2, Mistral, Gemma, Phi-3. Pieces write a
 * space as "▁", and text without a piece becomes byte tokens. llama.cpp merges the two neighbours whose merged piece
 * has the best score, while `tokenizer.json` ranks pairs. A piece's score is therefore derived from the rank of its
 * pairs.
 */
import { ModelFileError } from "../errors.ts";
import { type GgufKeyValue, keyValue } from "../gguf/header-writer.ts";
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

export const SPACE = "▁";
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
  const ranks = mergeRanks(model, new Set(added.map(({ text }) => text)), vocabulary);
  const table = new TokenTable(size, TOKENIZER_JSON);
  const scores = new Array<number>(size).fill(0);
  for (const [text, id] of vocabulary) {
    table.set(id, text, pieceType(text, model.optionalText("unk_token")));
    const rank = ranks.get(text);
    scores[id] = rank === undefined ? LEAST_SCORE : -rank;
  }
  addTokens(table, added);
  checkByteTokens(table, TOKENIZER_JSON);
  return { table, metadata: sentencePieceMetadata(scores, prependsSpace(json)) };
}

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
    else table.set(id, text.replaceAll(SPACE, " "), TokenType.userDefined);
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

function byteText(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

function pieceType(text: string, unknown: string | undefined): TokenType {
  if (text === unknown) return TokenType.unknown;
  return /^<0x[0-9A-F]{2}>$/.test(text) ? TokenType.byte : TokenType.normal;
}

/**
 * The rank of each piece that a pair makes. Ranks of pairs can be expressed as ranks of pieces only when all pairs of a
 * piece follow each other and when no possible pair is missing. Added tokens are left out: they are matched before any
 * merging.
 * @throws ModelFileError when the merges don't meet these conditions.
 */
function mergeRanks(
  model: JsonObject,
  added: ReadonlySet<string>,
  vocabulary: readonly (readonly [text: string, id: number])[],
): Map<string, number> {
  const fail = (problem: string) =>
    model.fail("merges", `can't be expressed as the scores of a SentencePiece model: ${problem}.`);
  const known = new Set(vocabulary.map(([text]) => text));
  const ranks = new Map<string, number>();
  let pairs = 0;
  let before = "";
  const cutsOfPiece = new Set<number>();
  for (const [rank, [left, right]] of readMerges(model).entries()) {
    const piece = left + right;
    if (added.has(piece)) continue;
    if (piece !== before) cutsOfPiece.clear();
    if ((ranks.has(piece) && piece !== before) || cutsOfPiece.has(left.length))
      throw fail("a piece has two ranks");
    if (!known.has(piece) || !known.has(left) || !known.has(right))
      throw fail("a pair is not of the vocabulary");
    if (piece !== before) ranks.set(piece, rank);
    cutsOfPiece.add(left.length);
    before = piece;
    pairs++;
  }
  for (const piece of known) if (!added.has(piece)) pairs -= countSplits(piece, known);
  if (pairs !== 0) throw fail("a pair of pieces is missing");
  return ranks;
}

/** The number of ways to split a piece into two known ones. */
function countSplits(piece: string, known: ReadonlySet<string>): number {
  let cuts = 0;
  let at = 0;
  for (const character of piece) {
    if (at > 0 && known.has(piece.slice(0, at)) && known.has(piece.slice(at))) cuts++;
    at += character.length;
  }
  return cuts;
}

/**
 * Whether the tokenizer puts a space in front of a text.
 * @throws ModelFileError for steps that change texts in other ways.
 */
function prependsSpace(json: JsonObject): boolean {
  let prepends = false;
  let replaces = false;
  for (const step of pipelineSteps(json, "normalizer")) {
    const type = step.text("type");
    if (type === "Prepend" && step.text("prepend") === SPACE) prepends = true;
    else if (type === "Replace" && step.text("content") === SPACE && matchesSpace(step)) replaces = true;
    else throw step.fail("type", "is a normalizer that is not supported.");
  }
  for (const step of pipelineSteps(json, "pre_tokenizer")) {
    const type = step.text("type");
    if (
      type === "Metaspace" &&
      step.text("replacement") === SPACE &&
      !(step.optionalBoolean("split") ?? true)
    ) {
      replaces = true;
      prepends = step.optionalText("prepend_scheme") !== "never";
    } else if (!(type === "Split" && replaces && matchesSpace(step))) {
      // After spaces have been replaced, a split at spaces has no effect and is accepted.
      throw step.fail("type", "is a pre_tokenizer that is not supported.");
    }
  }
  if (!replaces) throw json.fail("normalizer", `must replace spaces by "${SPACE}".`);
  return prepends;
}

function matchesSpace(step: JsonObject): boolean {
  return step.object("pattern").optionalText("String") === " ";
}
