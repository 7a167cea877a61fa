import { TemplateError } from "./errors.ts";
import { globalsOf } from "./globals.ts";
import { Interpreter } from "./interpreter.ts";
import type { Statement } from "./nodes.ts";
import { parseTemplate } from "./parse-template.ts";
import { fromJson } from "./values.ts";

export interface RenderOptions {
  /** The time that `strftime_now` gives, in local time. */
  now: Date;
  /** Most nodes to evaluate, turns of loops included. Default: no limit, for callers that limit the time. */
  maxWork?: number;
}

/**
 * A Jinja template as chat templates use it, rendered like Python's Jinja2 as `transformers` sets it up: in an immutable
 * sandbox, with `trim_blocks`, `lstrip_blocks` and loop controls.
 */
export class Template {
  readonly #body: readonly Statement[];

  /** @throws TemplateSyntaxError */
  constructor(source: string) {
    this.#body = parseTemplate(source);
  }

  /** @param variables JSON values. @throws TemplateError where Python fails too, or when the rendering is too large. */
  render(
    variables: Readonly<Record<string, unknown>>,
    { now, maxWork = Number.POSITIVE_INFINITY }: RenderOptions,
  ): string {
    const scope = globalsOf(now);
    for (const [name, value] of Object.entries(variables)) scope.set(name, fromJson(value));
    try {
      return new Interpreter(maxWork).run(this.#body, scope);
    } catch (error) {
      if (error instanceof TemplateError) throw error;
      // The JavaScript stack or a text is too large.
      if (error instanceof RangeError)
        throw new TemplateError("the template nests too deep or makes too long texts");
      throw error;
    }
  }
}
