import type { LlamaModel, Token } from "node-llama-cpp";
import { isContinuationByte } from "./utf8.ts";

const REPLACEMENT = "\uFFFD";
const encoder = new TextEncoder();

/** The bytes of single tokens, also of those that are part of a character only. Remembers them. */
export class TokenBytes {
  readonly #model: LlamaModel;
  readonly #pieces: readonly string[];
  /** At most one entry a token of the vocabulary. */
  readonly #known = new Map<number, Uint8Array>();
  /** A token to stand before others: some tokenizers leave out the space before the first word. */
  readonly #before: readonly Token[];
  /** Tokens of one byte, by their byte; found when they are first needed. */
  #singles: ReadonlyMap<number, number> | null = null;

  constructor(model: LlamaModel) {
    this.#model = model;
    const pieces: unknown = model.fileInfo.metadata.tokenizer?.ggml?.tokens;
    this.#pieces = Array.isArray(pieces) ? pieces : [];
    this.#before = model.tokenize("a");
  }

  of(token: number): Uint8Array {
    let bytes = this.#known.get(token);
    if (bytes === undefined) {
      bytes = this.#find(token);
      this.#known.set(token, bytes);
    }
    return bytes;
  }

  /**
   * Tokens for these bytes, none of them special, at most one for each byte; null where the vocabulary has none. The
   * bytes may begin within a character.
   */
  spell(bytes: Uint8Array): readonly number[] | null {
    let begun = 0;
    while (begun < bytes.length && isContinuationByte(bytes[begun]!)) begun++;
    const rest = bytes.subarray(begun);
    const tokens = [...this.#one(bytes.subarray(0, begun)), ...(this.#asText(rest) ?? this.#one(rest))];
    return tokens.includes(undefined) ? null : (tokens as number[]);
  }

  /** As the tokenizer does it; null where it puts a space before the text or changes it otherwise. */
  #asText(bytes: Uint8Array): readonly number[] | null {
    const text = Buffer.from(bytes).toString();
    for (const options of [[], ["trimLeadingSpace"]] as const) {
      const tokens = this.#model.tokenize(text, false, ...options);
      const made = Buffer.concat(tokens.map((token) => this.of(token)));
      if (tokens.length <= bytes.length && made.equals(bytes)) return tokens;
    }
    return null;
  }

  #one(bytes: Uint8Array): (number | undefined)[] {
    if (bytes.length === 0) return [];
    this.#singles ??= this.#findSingles();
    return [...bytes].map((byte) => this.#singles!.get(byte));
  }

  #findSingles(): Map<number, number> {
    const singles = new Map<number, number>();
    for (const [token, piece] of this.#pieces.entries()) {
      if (piece.length !== 1 && !piece.startsWith("<0x")) continue;
      const bytes = this.of(token);
      if (bytes.length === 1) singles.set(bytes[0]!, token);
    }
    return singles;
  }

  #find(token: number): Uint8Array {
    const text = this.#model.detokenize([token as Token], true, this.#before);
    if (!text.includes(REPLACEMENT)) return encoder.encode(text);
    return pieceBytes(this.#pieces[token] ?? "") ?? encoder.encode(text);
  }
}

/**
 * Bytes of a vocabulary's entry: `<0xE2>` in some vocabularies; in others every character stands for a byte, printable
 * ones of Latin-1 for themselves and the rest for the characters from U+0100 on. Null when it is neither.
 */
export function pieceBytes(piece: string): Uint8Array | null {
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(piece);
  if (hex !== null) return Uint8Array.of(Number.parseInt(hex[1]!, 16));
  const bytes = [...piece].map((character) => BYTE_OF_CHARACTER.get(character));
  return piece === "" || bytes.includes(undefined) ? null : Uint8Array.from(bytes as number[]);
}

const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = byteCharacters();

function byteCharacters(): Map<string, number> {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  const result = new Map<string, number>();
  let others = 0;
  for (let byte = 0; byte < 256; byte++) {
    result.set(String.fromCharCode(printable(byte) ? byte : 0x100 + others++), byte);
  }
  return result;
}
