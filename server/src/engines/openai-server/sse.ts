/**
 * Parses server-sent events from byte chunks that may be cut anywhere: inside a character, between CR and LF, inside a
 * field name. The parser splits lines as bytes and decodes whole lines only, so it never decodes half a character. It
 * keeps the `data` field only. A lone CR as line end, which the standard allows and no model server sends, is not
 * recognised.
 */

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;

export class SseOverflowError extends Error {}

export class SseParser {
  readonly #onData: (data: string) => void;
  readonly #maxEventBytes: number;
  /** Pieces of a line whose end has not arrived. Joined once: joining at each tiny chunk would copy quadratically. */
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  #data: string | null = null;
  #atStart = true;

  /** @param maxEventBytes most bytes held for an incomplete event. */
  constructor(onData: (data: string) => void, maxEventBytes: number) {
    this.#onData = onData;
    this.#maxEventBytes = maxEventBytes;
  }

  /** @throws SseOverflowError when an event exceeds `maxEventBytes`; any error of `onData`. */
  push(chunk: Buffer): void {
    let start = 0;
    let end = chunk.indexOf(LF);
    while (end !== -1) {
      if (this.#pieces.length === 0) {
        this.#line(chunk, start, end);
      } else {
        this.#pieces.push(chunk.subarray(start, end));
        const line = Buffer.concat(this.#pieces);
        this.#pieces = [];
        this.#line(line, 0, line.length);
      }
      start = end + 1;
      end = chunk.indexOf(LF, start);
    }
    if (start < chunk.length) {
      this.#pieces.push(start === 0 ? chunk : chunk.subarray(start));
      this.#grow(chunk.length - start);
    }
  }

  /** Call at the end of the bytes: delivers a last event that lacks its closing blank line. */
  end(): void {
    if (this.#pieces.length > 0) {
      const line = Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.#line(line, 0, line.length);
    }
    this.#dispatch();
  }

  #line(bytes: Buffer, from: number, to: number): void {
    let start = from;
    const end = to > from && bytes[to - 1] === CR ? to - 1 : to;
    if (this.#atStart) {
      this.#atStart = false;
      if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
    }
    if (start === end) {
      this.#dispatch();
      return;
    }
    if (!isDataField(bytes, start, end)) return;
    let value = start + 5;
    if (bytes[value] === SPACE) value += 1;
    const text = value < end ? bytes.toString("utf8", value, end) : "";
    this.#data = this.#data === null ? text : `${this.#data}\n${text}`;
    this.#grow(end - start);
  }

  #grow(bytes: number): void {
    this.#pendingBytes += bytes;
    if (this.#pendingBytes > this.#maxEventBytes) throw new SseOverflowError("event too large");
  }

  #dispatch(): void {
    const data = this.#data;
    this.#pendingBytes = 0;
    if (data === null) return;
    this.#data = null;
    this.#onData(data);
  }
}

/** Whether the line is `data` or `data:…`. */
function isDataField(bytes: Buffer, start: number, end: number): boolean {
  return (
    bytes[start] === 0x64 &&
    bytes[start + 1] === 0x61 &&
    bytes[start + 2] === 0x74 &&
    bytes[start + 3] === 0x61 &&
    (end === start + 4 || bytes[start + 4] === COLON)
  );
}
