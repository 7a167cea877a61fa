import type { OutputStream } from "../process-context.ts";
import { printable } from "./text.ts";

/** What is going on: one line that is written over in a terminal, else a line whenever the news changes. */
export class StatusLine {
  readonly #outputStream: OutputStream;
  readonly #isQuiet: boolean;
  #last = "";

  constructor(outputStream: OutputStream, isQuiet: boolean) {
    this.#outputStream = outputStream;
    this.#isQuiet = isQuiet;
  }

  /** @param detail what changes all the time; for terminals alone */
  async show(news: string, detail = ""): Promise<void> {
    if (this.#isQuiet) return;
    if (this.#outputStream.isTerminal) {
      const text = printable(`${news}${detail}`).slice(0, this.#outputStream.columns - 1);
      await this.#outputStream.write(`\r\u001b[K${text}`);
    } else if (news !== this.#last) await this.#outputStream.write(`${printable(news)}\n`);
    this.#last = news;
  }

  /** Takes the line off the terminal. */
  async clear(): Promise<void> {
    if (this.#last !== "" && this.#outputStream.isTerminal) await this.#outputStream.write("\r\u001b[K");
    this.#last = "";
  }
}
