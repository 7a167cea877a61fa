/** Reads `tokenizer.model`, SentencePiece's own protocol-buffer file. It is used when there is no `tokenizer.json`. */
import { type AddedToken, META_SPACE, type TokenizerSpec } from "../../tokenization/types.ts";
import { ModelFileError } from "../errors.ts";
import { scoredMerges } from "./scored-merges.ts";
import { addTokens, checkByteTokens, sentencePieceMetadata } from "./sentencepiece-bpe.ts";
import { type Token, TokenTable, TokenType, textsById, type Vocabulary } from "./token-table.ts";

export const SENTENCEPIECE_FILE = "tokenizer.model";
const TYPES: readonly number[] = Object.values(TokenType);
const BPE = 2;
/** Most fields in one message. */
const MAX_FIELDS = 2_000_000;

/** Numbers of the fields that are read, for each message. */
const MODEL = { piece: 1, trainer: 2, normalizer: 3 };
const PIECE = { text: 1, score: 2, type: 3 };
const TRAINER = { modelType: 3 };
const NORMALIZER = { characterMap: 2, prependsSpace: 3, removesSpaces: 4 };

/** A field's number, and its value: an integer or bytes. */
type Field = readonly [number: number, value: number | Buffer];

export interface SentencePieceSettings {
  /** Size of the model's vocabulary. */
  size: number;
  added: readonly AddedToken[];
  /** Puts a space after every added token too, not only at the start: `legacy` of `tokenizer_config.json`. */
  legacy: boolean;
}

/** @throws ModelFileError when the file is damaged or of a kind other than BPE. */
export function sentencePieceModelVocabulary(
  bytes: Buffer,
  { size, added, legacy }: SentencePieceSettings,
): Vocabulary {
  const table = new TokenTable(size, SENTENCEPIECE_FILE);
  const scores = new Array<number>(size).fill(0);
  let prependsSpace = 1;
  let removesSpaces = 1;
  let modelType = 1;
  let id = 0;
  for (const [field, value] of fieldsOf(bytes)) {
    if (!Buffer.isBuffer(value)) continue;
    if (field === MODEL.piece) {
      const piece = pieceOf(value);
      table.set(id, piece.text, piece.type);
      scores[id++] = piece.score;
    } else if (field === MODEL.trainer) {
      modelType = numberIn(value, TRAINER.modelType) ?? modelType;
    } else if (field === MODEL.normalizer) {
      prependsSpace = numberIn(value, NORMALIZER.prependsSpace) ?? prependsSpace;
      removesSpaces = numberIn(value, NORMALIZER.removesSpaces) ?? removesSpaces;
      const map = fieldsOf(value).find(([field]) => field === NORMALIZER.characterMap)?.[1];
      if (Buffer.isBuffer(map) && map.length > 0)
        throw fail("changes characters before it cuts, which is not supported.");
    }
  }
  if (modelType !== BPE) throw fail("is of a kind other than BPE, which is not supported.");
  if (removesSpaces !== 0) throw fail("removes extra spaces, which is not supported.");
  const pieces: Piece[] = [];
  for (let at = 0; at < id; at++) pieces.push({ id: at, ...(table.get(at) as Token) });
  addTokens(table, added);
  checkByteTokens(table, SENTENCEPIECE_FILE);
  return {
    table,
    metadata: sentencePieceMetadata(scores, prependsSpace !== 0),
    spec: specOf(pieces, { scores, added, prependsSpace: prependsSpace !== 0, legacy }),
  };
}

interface Piece extends Token {
  id: number;
}

interface ModelParts {
  scores: readonly number[];
  added: readonly AddedToken[];
  prependsSpace: boolean;
  legacy: boolean;
}

/** The tokenizer that `transformers` makes of the file. */
function specOf(
  pieces: readonly Piece[],
  { scores, added, prependsSpace, legacy }: ModelParts,
): TokenizerSpec {
  const ofType = (...types: TokenType[]) => pieces.filter(({ type }) => types.includes(type));
  if (ofType(TokenType.unused).length > 0) throw fail("has unused pieces, which are not supported.");
  const idsByText = (list: readonly Piece[]) => new Map(list.map(({ id, text }) => [text, id]));
  const replace = { type: "Replace", from: " ", to: META_SPACE } as const;
  const known = new Set(added.map(({ id }) => id));
  const matched = ofType(TokenType.control, TokenType.unknown, TokenType.userDefined)
    .filter(({ id }) => !known.has(id))
    .map(({ id, text, type }) => ({
      id,
      text,
      special: type !== TokenType.userDefined,
      normalized: false,
      singleWord: false,
      leftStrip: false,
      rightStrip: false,
    }));
  const prefix = legacy && prependsSpace ? [{ type: "Prepend", text: META_SPACE } as const] : [];
  return {
    normalizers: [...prefix, replace],
    preTokenizers:
      legacy || !prependsSpace ? [] : [{ type: "Metaspace", prepend: "first", split: false } as const],
    addedTokens: [...added, ...matched],
    tokens: textsById(idsByText(pieces)),
    ...scoredMerges(idsByText(ofType(TokenType.normal, TokenType.userDefined)), scores),
    ignoreMerges: false,
    byteFallback: true,
    unknown: ofType(TokenType.unknown)[0]?.id ?? null,
    fuseUnknown: true,
  };
}

function pieceOf(bytes: Buffer): { text: string; score: number; type: TokenType } {
  let text = "";
  let score = 0;
  let type: number = TokenType.normal;
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === PIECE.text && Buffer.isBuffer(value)) text = value.toString("utf8");
    if (field === PIECE.score && Buffer.isBuffer(value) && value.length === 4) score = value.readFloatLE(0);
    if (field === PIECE.type && !Buffer.isBuffer(value)) type = value;
  }
  if (!TYPES.includes(type)) throw fail("has a piece of an unknown type.");
  return { text, score, type: type as TokenType };
}

function numberIn(bytes: Buffer, fieldNumber: number): number | undefined {
  const value = fieldsOf(bytes).findLast(([field]) => field === fieldNumber)?.[1];
  return Buffer.isBuffer(value) ? undefined : value;
}

/** The fields of a message, in order. Fixed-size numbers are returned as bytes. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= bytes.length) throw fail("is damaged.");
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw fail("is damaged.");
  };
  const take = (size: number): Buffer => {
    if (size > bytes.length - at) throw fail("is damaged.");
    at += size;
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    if (fields.length >= MAX_FIELDS) throw fail(`has more than ${MAX_FIELDS} fields.`);
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 0) fields.push([field, varint()]);
    else if (wire === 1) fields.push([field, take(8)]);
    else if (wire === 2) fields.push([field, take(varint())]);
    else if (wire === 5) fields.push([field, take(4)]);
    else throw fail("is damaged.");
  }
  return fields;
}

function fail(problem: string): ModelFileError {
  return new ModelFileError(SENTENCEPIECE_FILE, problem);
}
