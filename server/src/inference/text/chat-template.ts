import { Template } from "@huggingface/jinja";
import { AppError, badRequest } from "../../lib/errors.ts";
import type { TemplateMessage } from "./tools/prompt.ts";

/** Longest prompt a template may render, in characters; a template that loops stops here. */
const MAX_PROMPT_CHARS = 8 * 1024 * 1024;

export interface ChatTemplate {
  /** `variables`: what the template may ask for besides. The prompt for these messages, ending where the assistant's turn begins. @throws AppError BAD_REQUEST. */
  render(messages: readonly TemplateMessage[], variables: Readonly<Record<string, unknown>>): string;
}

/**
 * Compiles a model's Jinja chat template. The interpreter runs no code: message texts are values, never templates.
 * @throws AppError INTERNAL when the template itself is broken.
 */
export function compileChatTemplate(source: string, bosToken: string, eosToken: string): ChatTemplate {
  const template = parse(source);
  return {
    render(messages, variables) {
      let prompt: string;
      try {
        prompt = template.render({
          ...variables,
          messages,
          add_generation_prompt: true,
          bos_token: bosToken,
          eos_token: eosToken,
        });
      } catch (cause) {
        // Templates refuse what they can't express (roles out of order, say) by raising.
        throw new AppError("BAD_REQUEST", "The model's chat template does not accept these messages.", {
          param: "messages",
          cause,
        });
      }
      if (prompt.length > MAX_PROMPT_CHARS) throw badRequest("messages", "The rendered prompt is too long.");
      return prompt;
    },
  };
}

function parse(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    throw new AppError("INTERNAL", "The model's chat template is broken.", { cause });
  }
}
