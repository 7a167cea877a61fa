import { AppError } from "../../lib/errors.ts";

/**
 * Most values of a body: array items, fields, arrays and objects. Parsing blocks the event loop, and with it the streams
 * of all other clients; so many values take it some 50 ms.
 */
export const MAX_VALUES = 400_000;
/** Most field names of a body, which take some ten times longer than other values when all are different. */
export const MAX_NAMES = 50_000;

const [QUOTE, COMMA, COLON, BACKSLASH, OPEN_ARRAY, OPEN_OBJECT] = [...'",:\\[{'].map((char) =>
  char.charCodeAt(0),
) as [number, number, number, number, number, number];

/** Counts the values and names of a JSON text that comes in chunks, without parsing it. */
export class JsonSizeCounter {
  #values = 0;
  #names = 0;
  #isInString = false;
  #isEscaped = false;

  /** @throws AppError PAYLOAD_TOO_LARGE when the text has more values or names than a body may have. */
  add(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at++) {
      if (this.#isInString) at = this.#skipString(chunk, at);
      else this.#count(chunk[at]!);
    }
    if (this.#values > MAX_VALUES) throw tooMany(`${MAX_VALUES} values`);
    if (this.#names > MAX_NAMES) throw tooMany(`${MAX_NAMES} field names`);
  }

  #count(byte: number): void {
    if (byte === QUOTE) this.#isInString = true;
    else if (byte === COMMA || byte === OPEN_ARRAY || byte === OPEN_OBJECT) this.#values++;
    else if (byte === COLON) this.#names++;
  }

  /** Returns the index of the string's closing quote, or of the chunk's last byte. */
  #skipString(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (chunk[at] === BACKSLASH) this.#isEscaped = true;
      else if (chunk[at] === QUOTE) {
        this.#isInString = false;
        return at;
      }
    }
    return chunk.length - 1;
  }
}

function tooMany(limit: string): AppError {
  return new AppError("PAYLOAD_TOO_LARGE", `The request body holds more than ${limit}.`, { param: "body" });
}
