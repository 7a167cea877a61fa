import { LineSplitter } from "./line-splitter.ts";
import { isBlank } from "./validator.ts";

export type OpenFile = () => Promise<AsyncIterable<Uint8Array>>;

/** Reads the rows of a READY dataset's files, in order, without checking them. Skips blank lines. */
export class RowReader {
  readonly #files: OpenFile[];
  readonly #maxLineBytes: number;
  #chunks: AsyncIterator<Uint8Array> | null = null;
  #splitter: LineSplitter | null = null;
  #lines: Buffer[] = [];
  #at = 0;

  /** @param maxLineBytes the limit that the dataset was checked with */
  constructor(files: readonly OpenFile[], maxLineBytes: number) {
    this.#files = [...files];
    this.#maxLineBytes = maxLineBytes;
  }

  /** Returns from 1 to `max` rows, and none after the last row of the last file. */
  async read(max: number): Promise<Buffer[]> {
    while (this.#at === this.#lines.length && (await this.#readChunk())) {}
    const rows = this.#lines.slice(this.#at, this.#at + max);
    this.#at += rows.length;
    return rows;
  }

  /** Must be called at the end, also when reading failed. */
  async close(): Promise<void> {
    await this.#chunks?.return?.();
  }

  /** Reads the next chunk, or opens the next file. False after the last file. */
  async #readChunk(): Promise<boolean> {
    if (this.#chunks === null) return await this.#openNextFile();
    const next = await this.#chunks.next();
    this.#lines = [];
    this.#at = 0;
    if (next.done) {
      this.#splitter!.end();
      this.#chunks = null;
    } else {
      const { buffer, byteOffset, byteLength } = next.value;
      this.#splitter!.push(Buffer.from(buffer, byteOffset, byteLength));
    }
    return true;
  }

  async #openNextFile(): Promise<boolean> {
    const open = this.#files.shift();
    if (open === undefined) return false;
    this.#chunks = (await open())[Symbol.asyncIterator]();
    this.#splitter = new LineSplitter(this.#maxLineBytes, (line) => {
      if (line === null) throw new Error("A stored dataset holds a line above the limit.");
      if (!isBlank(line)) this.#lines.push(line);
    });
    return true;
  }
}
