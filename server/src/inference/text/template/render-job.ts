import { TemplateError, TemplateSyntaxError } from "../../../lib/jinja/errors.ts";
import { Template } from "../../../lib/jinja/template.ts";

export interface RenderJob {
  source: string;
  variables: Readonly<Record<string, unknown>>;
  /** Milliseconds since the Unix epoch. */
  nowMs: number;
}

export type RenderResult =
  | { prompt: string }
  /**
   * `broken`: the template can't be parsed. `raised`: it refused its input with a text of its own. `failed`: it doesn't handle
   * its input. `reason` says why.
   */
  | { problem: "broken" | "raised" | "failed"; reason: string }
  | { problem: "too-long" };

/** Longest prompt a template may render, in characters. */
const MAX_PROMPT_CHARS = 8 * 1024 * 1024;
const MAX_REASON_CHARS = 500;
/** Parsed templates that are kept; the cache is emptied when it is full. */
const MAX_PARSED = 64;
const parsed = new Map<string, Template>();

/** Renders a template. Texts of messages are values and are never interpreted as templates. */
export function renderTemplate({ source, variables, nowMs }: RenderJob): RenderResult {
  try {
    const prompt = parse(source).render(variables, { now: new Date(nowMs) });
    return prompt.length > MAX_PROMPT_CHARS ? { problem: "too-long" } : { prompt };
  } catch (error) {
    if (error instanceof TemplateSyntaxError) return { problem: "broken", reason: reasonOf(error) };
    if (!(error instanceof TemplateError)) throw error;
    return { problem: error.raised ? "raised" : "failed", reason: reasonOf(error) };
  }
}

function reasonOf(error: Error): string {
  return error.message.slice(0, MAX_REASON_CHARS);
}

/** @throws TemplateSyntaxError */
function parse(source: string): Template {
  const known = parsed.get(source);
  if (known !== undefined) return known;
  const template = new Template(source);
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(source, template);
  return template;
}
