import type { OutputStream } from "../process-context.ts";
import { printable } from "./text.ts";

/** A progress line: redrawn in place in a terminal; elsewhere a new line whenever the message changes. */
export class StatusLine {
  readonly #stream: OutputStream;
  readonly #isQuiet: boolean;
  #last = "";

  constructor(stream: OutputStream, isQuiet: boolean) {
    this.#stream = stream;
    this.#isQuiet = isQuiet;
  }

  /** @param detail text that changes often, such as a time; shown only in terminals */
  async show(message: string, detail = ""): Promise<void> {
    if (this.#isQuiet) return;
    if (this.#stream.isTerminal) {
      const text = printable(`${message}${detail}`).slice(0, this.#stream.columns - 1);
      await this.#stream.write(`\r\u001b[K${text}`);
    } else if (message !== this.#last) await this.#stream.write(`${printable(message)}\n`);
    this.#last = message;
  }

  /** Erases the line in a terminal. */
  async clear(): Promise<void> {
    if (this.#last !== "" && this.#stream.isTerminal) await this.#stream.write("\r\u001b[K");
    this.#last = "";
  }
}
