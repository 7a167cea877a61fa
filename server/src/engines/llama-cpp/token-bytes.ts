import type { LlamaModel, Token } from "node-llama-cpp";

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
