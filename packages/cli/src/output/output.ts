import type { Sink } from "../world.ts";
import { thingJson } from "./json.ts";
import { type Thing, thingText } from "./text.ts";

export type Format = "text" | "json";

/** What a command says: results on standard output, all else on standard error. */
export class Output {
  readonly format: Format;
  readonly #stdout: Sink;
  readonly #stderr: Sink;
  readonly #isQuiet: boolean;

  constructor(sinks: { stdout: Sink; stderr: Sink }, format: Format, isQuiet: boolean) {
    this.#stdout = sinks.stdout;
    this.#stderr = sinks.stderr;
    this.format = format;
    this.#isQuiet = isQuiet;
  }

  thing(thing: Thing): Promise<void> {
    return this.#stdout.write(this.format === "json" ? thingJson(thing) : thingText(thing));
  }

  /** What was done, in a sentence, where the API answers nothing; JSON has its empty answer. */
  done(sentence: string): Promise<void> {
    return this.#stdout.write(this.format === "json" ? thingJson({}) : `${sentence}\n`);
  }

  raw(text: string): Promise<void> {
    return this.#stdout.write(text);
  }

  /** Beside the result; nothing with `--quiet`. */
  async notice(sentence: string): Promise<void> {
    if (!this.#isQuiet) await this.#stderr.write(`${sentence}\n`);
  }
}
