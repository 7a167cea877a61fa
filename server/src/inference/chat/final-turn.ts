import { randomUUID } from "node:crypto";
import { badRequest } from "../../lib/errors.ts";
import type { ConversationMessage } from "../text/tools/conversation.ts";
import type { TemplateMessage } from "../text/tools/template-messages.ts";
import type { ChatCompletionRequest } from "./protocol.ts";

/**
 * How the prompt ends. `new`: with the start of the assistant's turn. `continued`: with the text of the assistant's last
 * message, which the output continues. `closed`: with the end of the last message.
 */
export type FinalTurn = "new" | "continued" | "closed";

/**
 * Without either parameter a text of the assistant at the end of the conversation is continued, except under a
 * `response_format`, which describes a whole message.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function parseFinalTurn(
  body: ChatCompletionRequest,
  conversation: readonly ConversationMessage[],
): FinalTurn {
  const { continue_final_message: continues, add_generation_prompt: addsPrompt } = body;
  const last = conversation.at(-1)!;
  const isText = last.role === "assistant" && last.content !== "" && last.toolCalls === undefined;
  const isConstrained = body.response_format != null && body.response_format.type !== "text";
  const field = "continue_final_message";
  if (continues === true) {
    if (addsPrompt === true) throw badRequest(field, `Set ${field} or add_generation_prompt, not both.`);
    if (!isText) throw badRequest(field, `${field} needs a text of the assistant as the last message.`);
    if (isConstrained) throw badRequest(field, `${field} can't be combined with response_format.`);
    return "continued";
  }
  if (continues == null && addsPrompt == null && isText && !isConstrained) return "continued";
  return addsPrompt === false ? "closed" : "new";
}

/**
 * Renders a conversation up to the end of its last message's text, without what the template writes after it.
 * @throws AppError BAD_REQUEST when the template doesn't render that text once.
 */
export async function renderUpToLastText(
  messages: readonly TemplateMessage[],
  render: (messages: readonly TemplateMessage[]) => Promise<string>,
): Promise<string> {
  // Random, so that no message can contain it.
  const mark = randomUUID();
  const last = messages.at(-1)!;
  const marked = [...messages.slice(0, -1), { ...last, content: last.content + mark }];
  const pieces = (await render(marked)).split(mark);
  if (pieces.length !== 2) {
    throw badRequest("messages", "The model's chat template does not let the last message be continued.");
  }
  return pieces[0]!;
}
