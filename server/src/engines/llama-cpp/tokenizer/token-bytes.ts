import type { LlamaModel, Token } from "node-llama-cpp";
import { isContinuationByte } from "./utf8.ts";

const REPLACEMENT = "\uFFFD";
const encoder = new TextEncoder();

/** The bytes of single tokens, which may be only part of a character. Caches them. */
export class TokenBytes {
  readonly #model: LlamaModel;
  /** The vocabulary's entry of each token. */
  readonly #pieces: readonly string[];
  /** Bounded by the size of the vocabulary. */
  readonly #cached = new Map<number, Uint8Array>();
  /** A token to precede others when they are detokenized: some tokenizers drop the space before the first word. */
  readonly #before: readonly Token[];
  /** Single-byte tokens by their byte; null until they are first needed. */
  #byteTokens: ReadonlyMap<number, number> | null = null;

  constructor(model: LlamaModel) {
    this.#model = model;
    const pieces: unknown = model.fileInfo.metadata.tokenizer?.ggml?.tokens;
    this.#pieces = Array.isArray(pieces) ? pieces : [];
    this.#before = model.tokenize("a");
  }

  of(token: number): Uint8Array {
    let bytes = this.#cached.get(token);
    if (bytes === undefined) {
      bytes = this.#find(token);
      this.#cached.set(token, bytes);
    }
    return bytes;
  }

  /**
   * Ordinary tokens for these bytes, at most one a byte; null where the vocabulary can't write them. The bytes may begin
   * within a character.
   */
  spell(bytes: Uint8Array): readonly number[] | null {
    let continuation = 0;
    while (continuation < bytes.length && isContinuationByte(bytes[continuation]!)) continuation++;
    const rest = bytes.subarray(continuation);
    const tokens = [
      ...this.#byteByByte(bytes.subarray(0, continuation)),
      ...(this.#tokenizeExactly(rest) ?? this.#byteByByte(rest)),
    ];
    return tokens.includes(undefined) ? null : (tokens as number[]);
  }

  /** The tokenizer's own tokens; null where they add a space before the text or change it otherwise. */
  #tokenizeExactly(bytes: Uint8Array): readonly number[] | null {
    const text = Buffer.from(bytes).toString();
    for (const options of [[], ["trimLeadingSpace"]] as const) {
      const tokens = this.#model.tokenize(text, false, ...options);
      const spelt = Buffer.concat(tokens.map((token) => this.of(token)));
      if (tokens.length <= bytes.length && spelt.equals(bytes)) return tokens;
    }
    return null;
  }

  /** A token for each byte; undefined for bytes without one. */
  #byteByByte(bytes: Uint8Array): (number | undefined)[] {
    if (bytes.length === 0) return [];
    this.#byteTokens ??= this.#findByteTokens();
    return [...bytes].map((byte) => this.#byteTokens!.get(byte));
  }

  #findByteTokens(): Map<number, number> {
    const byteTokens = new Map<number, number>();
    for (const [token, piece] of this.#pieces.entries()) {
      if (piece.length !== 1 && !piece.startsWith("<0x")) continue;
      const bytes = this.of(token);
      if (bytes.length === 1) byteTokens.set(bytes[0]!, token);
    }
    return byteTokens;
  }

  #find(token: number): Uint8Array {
    const text = this.#model.detokenize([token as Token], true, this.#before);
    if (!text.includes(REPLACEMENT)) return encoder.encode(text);
    return pieceBytes(this.#pieces[token] ?? "") ?? encoder.encode(text);
  }
}

/**
 * The bytes of a vocabulary's entry. Some vocabularies write a byte as `<0xE2>`. Byte-level BPE ones write each byte as a
 * character: a printable Latin-1 byte as itself, the others as the characters from U+0100 on. Null for other entries.
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
  let unprintable = 0;
  for (let byte = 0; byte < 256; byte++) {
    result.set(String.fromCharCode(printable(byte) ? byte : 0x100 + unprintable++), byte);
  }
  return result;
}
