import type { Sink } from "../world.ts";
import { printable } from "./text.ts";

/** What is going on: one line that is written over in a terminal, else a line whenever the news changes. */
export class StatusLine {
  readonly #sink: Sink;
  readonly #isQuiet: boolean;
  #last = "";

  constructor(sink: Sink, isQuiet: boolean) {
    this.#sink = sink;
    this.#isQuiet = isQuiet;
  }

  /** @param detail what changes all the time; for terminals alone */
  async show(news: string, detail = ""): Promise<void> {
    if (this.#isQuiet) return;
    if (this.#sink.isTerminal) {
      const text = printable(`${news}${detail}`).slice(0, this.#sink.columns - 1);
      await this.#sink.write(`\r\u001b[K${text}`);
    } else if (news !== this.#last) await this.#sink.write(`${printable(news)}\n`);
    this.#last = news;
  }

  /** Takes the line off the terminal. */
  async clear(): Promise<void> {
    if (this.#last !== "" && this.#sink.isTerminal) await this.#sink.write("\r\u001b[K");
    this.#last = "";
  }
}
