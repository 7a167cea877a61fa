/** llama.cpp's vocabulary: a list of token texts with their types. */
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

/** A token in addition to the vocabulary. The tokenizer matches it before it splits the text. */
export interface AddedToken {
  id: number;
  text: string;
  /** A control token, which is not part of the text. */
  special: boolean;
}

export interface Vocabulary {
  table: TokenTable;
  /** GGUF metadata, except the tokens themselves. */
  metadata: GgufKeyValue[];
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
  return { id, text: entry.text("content"), special: entry.optionalBoolean("special") ?? false };
}

/** The entries of the vocabulary. @throws ModelFileError */
export function readVocabulary(model: JsonObject): [text: string, id: number][] {
  const vocabulary = model.object("vocab");
  return vocabulary.keys().map((text) => {
    if (text.length > MAX_TOKEN_LENGTH) throw vocabulary.fail(quoted(text), "is too long for a token.");
    return [text, vocabulary.integer(text, 0, 2 ** 31 - 1)];
  });
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
