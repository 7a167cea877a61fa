/** llama.cpp's vocabulary: a list of token texts with their types. */
import { byteText } from "../../tokenization/bpe.ts";
import { BYTE_LETTERS } from "../../tokenization/byte-letters.ts";
import type { AddedToken, TokenizerSpec } from "../../tokenization/types.ts";
import { ModelFileError } from "../errors.ts";
import type { GgufKeyValue } from "../gguf/header-writer.ts";
import { type JsonObject, quoted } from "../json.ts";

/** llama.cpp's numbers of the token types. */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
export type TokenType = (typeof TokenType)[keyof typeof TokenType];

export interface Token {
  text: string;
  type: TokenType;
}

export interface Vocabulary {
  table: TokenTable;
  /** GGUF metadata, except the tokens themselves. */
  metadata: GgufKeyValue[];
  spec: TokenizerSpec;
}

/** In UTF-16 code units. The longest tokens of real vocabularies are runs of 128 spaces. */
const MAX_TOKEN_LENGTH = 512;

/** The largest vocabularies have 600,000. */
const MAX_MERGES = 2_000_000;

export const TOKENIZER_JSON = "tokenizer.json";

/** The tokens by id. No two tokens have the same text. */
export class TokenTable {
  readonly #tokens: (Token | undefined)[];
  readonly #ids = new Map<string, number>();
  readonly #file: string;

  constructor(size: number, file: string) {
    this.#tokens = new Array(size);
    this.#file = file;
  }

  /**
   * Replaces an earlier token of the id.
   * @throws ModelFileError for an id outside the vocabulary, or a text of another id.
   */
  set(id: number, text: string, type: TokenType): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.#tokens.length) {
      throw new ModelFileError(
        this.#file,
        `has the token id ${id}; the model's vocabulary in config.json has ${this.#tokens.length} tokens.`,
      );
    }
    const before = this.#tokens[id];
    if (before !== undefined) this.#ids.delete(before.text);
    const other = this.#ids.get(text);
    if (other !== undefined) {
      throw new ModelFileError(this.#file, `has the same token under the ids ${other} and ${id}.`);
    }
    this.#tokens[id] = { text, type };
    this.#ids.set(text, id);
  }

  id(text: string): number | undefined {
    return this.#ids.get(text);
  }

  get(id: number): Token | undefined {
    return this.#tokens[id];
  }

  /** All tokens. An id without a token gets a text that no other token has, because texts must be unique. */
  filled(): Token[] {
    return Array.from(
      this.#tokens,
      (token, id) => token ?? { text: this.#unusedText(id), type: TokenType.unused },
    );
  }

  #unusedText(id: number): string {
    let text = `[PAD${id}]`;
    while (this.#ids.has(text)) text = `[${text}]`;
    return text;
  }
}

/** The added tokens of `tokenizer.json`, and those that only `tokenizer_config.json` has. @throws ModelFileError */
export function readAddedTokens(json: JsonObject | null, config: JsonObject | null): AddedToken[] {
  const tokens = (json?.optionalArray("added_tokens") ?? []).map((item, index) => {
    const entry = (json as JsonObject).within(`added_tokens[${index}]`, item);
    return addedToken(entry.integer("id", 0, 2 ** 31 - 1), entry);
  });
  const ids = new Set(tokens.map(({ id }) => id));
  const decoder = config?.optionalObject("added_tokens_decoder");
  for (const key of decoder?.keys() ?? []) {
    if (!/^\d{1,9}$/.test(key)) throw (decoder as JsonObject).fail(quoted(key), "is no token id.");
    if (!ids.has(Number(key))) tokens.push(addedToken(Number(key), (decoder as JsonObject).object(key)));
  }
  return tokens;
}

function addedToken(id: number, entry: JsonObject): AddedToken {
  const flag = (key: string) => entry.optionalBoolean(key) ?? false;
  const special = flag("special");
  return {
    id,
    text: entry.text("content"),
    special,
    normalized: entry.optionalBoolean("normalized") ?? !special,
    singleWord: flag("single_word"),
    leftStrip: flag("lstrip"),
    rightStrip: flag("rstrip"),
  };
}

/**
 * Checks that the added tokens have the ids that the `tokenizers` library gives them, whatever the file says: the
 * vocabulary's for a text of the vocabulary, else the next free one.
 * @throws ModelFileError naming the first token that has another id.
 */
export function checkAddedIds(
  json: JsonObject,
  added: readonly AddedToken[],
  vocabulary: ReadonlyMap<string, number>,
): void {
  let next = vocabulary.size;
  for (const [index, { id, text }] of added.entries()) {
    const expected = vocabulary.get(text) ?? next;
    if (id !== expected) {
      throw json.fail(
        `added_tokens[${index}].id`,
        `is ${id}, but the tokenizers library gives ${quoted(text)} the id ${expected}: added tokens follow the vocabulary without a gap.`,
      );
    }
    next = Math.max(next, id + 1);
  }
}

/** The merges as ids. @throws ModelFileError for a merge of texts that are not in the vocabulary. */
export function mergeIds(
  model: JsonObject,
  merges: readonly (readonly [left: string, right: string])[],
  vocabulary: ReadonlyMap<string, number>,
): number[] {
  return merges.flatMap(([left, right]) => {
    const ids = [left, right, left + right].map((text) => vocabulary.get(text));
    if (ids.includes(undefined)) {
      throw model.fail(
        "merges",
        `have the pair ${quoted(left)} ${quoted(right)}, which is not of the vocabulary.`,
      );
    }
    return ids as number[];
  });
}

/** The fields of `model` that decide how pieces become tokens. @throws ModelFileError naming what is not supported. */
export function readBpeSettings(
  model: JsonObject,
  vocabulary: ReadonlyMap<string, number>,
): Pick<TokenizerSpec, "ignoreMerges" | "byteFallback" | "unknown" | "fuseUnknown"> {
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    if ((model.optionalText(key) ?? "") !== "") throw model.fail(key, "is not supported.");
  }
  if (model.optionalPositive("dropout") !== undefined) throw model.fail("dropout", "is not supported.");
  const flag = (key: string) => model.optionalBoolean(key) ?? false;
  const name = model.optionalText("unk_token") ?? "";
  const unknown = vocabulary.get(name) ?? null;
  // The library looks for the token when it meets a text without one, which a token for each byte rules out.
  if (name !== "" && unknown === null && !hasAllBytes(vocabulary)) {
    throw model.fail("unk_token", "is not in the vocabulary.");
  }
  return {
    ignoreMerges: flag("ignore_merges"),
    byteFallback: flag("byte_fallback"),
    unknown,
    fuseUnknown: flag("fuse_unk"),
  };
}

function hasAllBytes(vocabulary: ReadonlyMap<string, number>): boolean {
  const has = (text: string) => vocabulary.has(text);
  return BYTE_LETTERS.every(has) || BYTE_LETTERS.every((_, byte) => has(byteText(byte)));
}

/** The vocabulary's texts by id. */
export function textsById(vocabulary: ReadonlyMap<string, number>): (string | null)[] {
  const texts: (string | null)[] = [];
  for (const [text, id] of vocabulary) {
    while (texts.length <= id) texts.push(null);
    texts[id] = text;
  }
  return texts;
}

/** The ids of the vocabulary's texts. @throws ModelFileError */
export function readVocabulary(model: JsonObject): Map<string, number> {
  const vocabulary = model.object("vocab");
  return new Map(
    vocabulary.keys().map((text) => {
      if (text.length > MAX_TOKEN_LENGTH) throw vocabulary.fail(quoted(text), "is too long for a token.");
      return [text, vocabulary.integer(text, 0, 2 ** 31 - 1)];
    }),
  );
}

/**
 * The merges in the order of their rank. A file writes a pair as one text with a space or as two texts.
 * @throws ModelFileError
 */
export function readMerges(model: JsonObject): [left: string, right: string][] {
  const merges = model.array("merges");
  if (merges.length > MAX_MERGES) throw model.fail("merges", `must be at most ${MAX_MERGES} pairs.`);
  return merges.map((merge) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    if (
      !Array.isArray(pair) ||
      pair.length !== 2 ||
      pair.some((part) => typeof part !== "string" || part === "")
    ) {
      throw model.fail("merges", "must be pairs of tokens.");
    }
    return pair as [string, string];
  });
}
