import { Template } from "@huggingface/jinja";

/** A template to render with its variables. */
export interface RenderJob {
  source: string;
  variables: Readonly<Record<string, unknown>>;
}

export type RenderResult =
  | { prompt: string }
  /** `broken`: it can't be parsed. `refused`: it raised, as templates do for what they can't express. */
  | { problem: "broken" | "refused" | "too-long" };

/** Longest prompt a template may render, in characters. */
const MAX_PROMPT_CHARS = 8 * 1024 * 1024;
const MAX_PARSED = 64;
const parsed = new Map<string, Template>();

/** The interpreter runs no code: message texts are values, never templates. Never throws. */
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
