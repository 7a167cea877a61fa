import { LineSplitter } from "./line-splitter.ts";
import { isBlank } from "./validator.ts";

export type OpenFile = () => Promise<AsyncIterable<Uint8Array>>;

/** Reads the rows of a READY dataset's files, one after the other, without looking into them. Blank lines are left out. */
export class RowReader {
  readonly #files: OpenFile[];
  readonly #maxLineBytes: number;
  #chunks: AsyncIterator<Uint8Array> | null = null;
  #splitter: LineSplitter | null = null;
  #lines: Buffer[] = [];
  #at = 0;

  /** @param maxLineBytes as when the dataset was checked. */
  constructor(files: readonly OpenFile[], maxLineBytes: number) {
    this.#files = [...files];
    this.#maxLineBytes = maxLineBytes;
  }

  /** Up to `max` rows, those at hand; none at the end of the last file. */
  async read(max: number): Promise<Buffer[]> {
    while (this.#at === this.#lines.length && (await this.#more())) {}
    const rows = this.#lines.slice(this.#at, this.#at + max);
    this.#at += rows.length;
    return rows;
  }

  /** To be called in the end, also when reading failed. */
  async close(): Promise<void> {
    await this.#chunks?.return?.();
  }

  /** Takes the next piece of the files. False when there is none. */
  async #more(): Promise<boolean> {
    if (this.#chunks === null) return await this.#open();
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

  async #open(): Promise<boolean> {
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
