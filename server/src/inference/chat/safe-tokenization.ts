import { randomUUID } from "node:crypto";
import { badRequest } from "../../lib/errors.ts";
import type { TemplateMessage } from "../text/tools/template-messages.ts";

export interface SafePrompt {
  text: string;
  /** Where the messages' texts stand in it, in order and apart. */
  plain: [number, number][];
}

/**
 * Renders a prompt and tells which of its characters are the messages' own: the template sees a mark in each text's place,
 * so it can't have changed or hidden one. Marks are random: no text can hold one.
 * @throws AppError BAD_REQUEST naming `safe_tokenization` for a template that shows a text twice, or in another order.
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
      throw badRequest(
        "safe_tokenization",
        "The model's chat template shows messages in an order of its own.",
      );
    }
    last = index;
    const start = prompt.text.length;
    prompt.text += (messages[index] as TemplateMessage).content;
    prompt.plain.push([start, prompt.text.length]);
    prompt.text += pieces[i + 1] as string;
  }
  return prompt;
}
