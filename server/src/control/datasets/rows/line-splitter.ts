const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Splits a stream of bytes into lines at LF or CRLF, wherever the chunks begin and end. Drops a byte order mark at the
 * start of the file. Holds at most one line, and at most `maxLineBytes` of it.
 */
export class LineSplitter {
  readonly #maxLineBytes: number;
  readonly #onLine: (line: Buffer | null, number: number) => void;
  #parts: Buffer[] = [];
  #sizeBytes = 0;
  #number = 1;

  /**
   * @param onLine called with each line without its line end, or null for a line that is too long, and its number from
   * 1
   */
  constructor(maxLineBytes: number, onLine: (line: Buffer | null, number: number) => void) {
    this.#maxLineBytes = maxLineBytes;
    this.#onLine = onLine;
  }

  /** Keeps references to the chunk, so the caller must not write to it afterwards. */
  push(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.#add(chunk.subarray(from, at));
      this.#flush();
      from = at + 1;
    }
    this.#add(chunk.subarray(from));
  }

  /** Ends the file, and with it a last line without a newline. */
  end(): void {
    if (this.#sizeBytes > 0) this.#flush();
  }

  #add(part: Buffer): void {
    if (part.length === 0) return;
    this.#sizeBytes += part.length;
    if (this.#sizeBytes <= this.#limitBytes) this.#parts.push(part);
    else this.#parts = [];
  }

  /** Room for a carriage return and a byte order mark, which don't count as part of the line. */
  get #limitBytes(): number {
    return this.#maxLineBytes + 1 + (this.#number === 1 ? BOM.length : 0);
  }

  #flush(): void {
    const number = this.#number;
    const tooLong = this.#sizeBytes > this.#limitBytes;
    let line = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#sizeBytes = 0;
    this.#number++;
    if (line.at(-1) === RETURN) line = line.subarray(0, -1);
    if (number === 1 && line.subarray(0, BOM.length).equals(BOM)) line = line.subarray(BOM.length);
    this.#onLine(tooLong || line.length > this.#maxLineBytes ? null : line, number);
  }
}
