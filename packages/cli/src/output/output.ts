import type { OutputStream } from "../process-context.ts";
import { resourceJson } from "./json.ts";
import { type ResourceObject, resourceText } from "./text.ts";

export type Format = "text" | "json";

/** The output of a command: results on standard output, notices on standard error. */
export class Output {
  readonly format: Format;
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  readonly #isQuiet: boolean;

  constructor(streams: { stdout: OutputStream; stderr: OutputStream }, format: Format, isQuiet: boolean) {
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    this.format = format;
    this.#isQuiet = isQuiet;
  }

  resource(object: ResourceObject): Promise<void> {
    return this.#stdout.write(this.format === "json" ? resourceJson(object) : resourceText(object));
  }

  /** Reports success of an operation without a result: a sentence, or `{}` in JSON. */
  done(sentence: string): Promise<void> {
    return this.#stdout.write(this.format === "json" ? resourceJson({}) : `${sentence}\n`);
  }

  raw(text: string): Promise<void> {
    return this.#stdout.write(text);
  }

  /** Prints on standard error, unless the command is quiet. */
  async notice(sentence: string): Promise<void> {
    if (!this.#isQuiet) await this.#stderr.write(`${sentence}\n`);
  }
}
