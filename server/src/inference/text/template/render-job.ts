import { Template } from "@huggingface/jinja";

export interface RenderJob {
  source: string;
  variables: Readonly<Record<string, unknown>>;
}

export type RenderResult =
  | { prompt: string }
  /** `broken`: the template can't be parsed. `refused`: it raised an error, as templates do for unsupported messages. */
  | { problem: "broken" | "refused" | "too-long" };

/** Longest prompt a template may render, in characters. */
const MAX_PROMPT_CHARS = 8 * 1024 * 1024;
/** Parsed templates that are kept; the cache is emptied when it is full. */
const MAX_PARSED = 64;
const parsed = new Map<string, Template>();

/** Renders a template. Texts of messages are values and are never interpreted as templates. Never throws. */
export function renderTemplate({ source, variables }: RenderJob): RenderResult {
  const template = parse(source);
  if (template === null) return { problem: "broken" };
  try {
    const prompt = template.render(variables);
    return prompt.length > MAX_PROMPT_CHARS ? { problem: "too-long" } : { prompt };
  } catch {
    return { problem: "refused" };
  }
}

function parse(source: string): Template | null {
  const known = parsed.get(source);
  if (known !== undefined) return known;
  try {
    const template = new Template(source);
    if (parsed.size >= MAX_PARSED) parsed.clear();
    parsed.set(source, template);
    return template;
  } catch {
    return null;
  }
}
