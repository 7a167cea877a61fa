import { badRequest } from "../../../lib/errors.ts";
import type { ReasoningHistory } from "./settings.ts";

interface ReasonedMessage {
  role: string;
  reasoning?: string;
}

/**
 * Removes earlier reasoning from a conversation: with `disabled` all of it; with `interleaved` all before the user's last
 * message, which keeps the reasoning between the tool calls of one task; with `preserved` or null none. With null the
 * template decides.
 */
export function applyReasoningHistory<T extends ReasonedMessage>(
  messages: readonly T[],
  history: ReasoningHistory | null,
): T[] {
  if (history === null || history === "preserved") return [...messages];
  const lastUser = messages.findLastIndex(({ role }) => role === "user");
  return messages.map((message, i) => {
    if (message.reasoning === undefined || (history === "interleaved" && i > lastUser)) return message;
    const { reasoning: _, ...rest } = message;
    return rest as T;
  });
}

/** Template variables, under the names that different templates use, that keep all earlier reasoning. */
export function reasoningHistoryVariables(
  history: ReasoningHistory | null,
): Readonly<Record<string, boolean>> {
  if (history !== "preserved") return {};
  return {
    preserve_thinking: true,
    preserved_thinking: true,
    clear_thinking: false,
  };
}

/**
 * Checks that the template kept the reasoning that the request wants in the prompt.
 * @param messages the messages that the template rendered. @throws AppError BAD_REQUEST naming `reasoning_history`.
 */
export function checkHistoryRendered(
  prompt: string,
  messages: readonly ReasonedMessage[],
  history: ReasoningHistory | null,
): void {
  if (history === null || history === "disabled") return;
  let searchFrom = 0;
  for (const { reasoning } of messages) {
    const text = reasoning?.trim() ?? "";
    const found = prompt.indexOf(text, searchFrom);
    if (found === -1) {
      throw badRequest("reasoning_history", `The model's chat template does not keep ${history} reasoning.`);
    }
    searchFrom = found + text.length;
  }
}
