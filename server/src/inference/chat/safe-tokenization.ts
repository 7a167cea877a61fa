import { randomUUID } from "node:crypto";
import { badRequest } from "../../lib/errors.ts";
import type { TemplateMessage } from "../text/tools/template-messages.ts";

export interface SafePrompt {
  text: string;
  /** Start and end of each message's text in the prompt, in order, without overlaps. */
  plain: [number, number][];
}

/**
 * Renders a prompt and finds the characters that come from the messages. The template renders a mark in place of each text,
 * so that it can't change the text. Marks are random, so that no message can contain one.
 * @throws AppError BAD_REQUEST naming `safe_tokenization` when the template renders a text twice or in another order.
 */
export async function renderSafely(
  messages: readonly TemplateMessage[],
  render: (messages: readonly TemplateMessage[]) => Promise<string>,
): Promise<SafePrompt> {
  const secret = randomUUID();
  const marked = messages.map((message, i) => ({ ...message, content: `${secret}:${i};` }));
  const pieces = (await render(marked)).split(new RegExp(`${secret}:(\\d+);`));
  const prompt: SafePrompt = { text: pieces[0] as string, plain: [] };
  let last = -1;
  for (let i = 1; i < pieces.length; i += 2) {
    const index = Number(pieces[i]);
    if (index <= last) {
      throw badRequest("safe_tokenization", "The model's chat template changes the order of messages.");
    }
    last = index;
    const start = prompt.text.length;
    prompt.text += (messages[index] as TemplateMessage).content;
    prompt.plain.push([start, prompt.text.length]);
    prompt.text += pieces[i + 1] as string;
  }
  return prompt;
}

/** The prompt without what follows the last message's text. @throws AppError BAD_REQUEST when the prompt lacks that text. */
export function upToLastText({ text, plain }: SafePrompt): SafePrompt {
  const end = plain.at(-1)?.[1];
  if (end === undefined) {
    throw badRequest("messages", "The model's chat template does not let the last message be continued.");
  }
  return { text: text.slice(0, end), plain };
}
