import { badRequest } from "../../../lib/errors.ts";
import type { ReasoningHistory } from "./settings.ts";

interface ReasonedMessage {
  role: string;
  reasoning?: string;
}

/**
 * The conversation with the earlier reasoning the request wants in the prompt: none, that since the user's last
 * message (between the calls of one task), or all. Null leaves everything to the template.
 */
export function applyReasoningHistory<T extends ReasonedMessage>(
  turns: readonly T[],
  history: ReasoningHistory | null,
): T[] {
  if (history === null || history === "preserved") return [...turns];
  const lastUser = turns.findLastIndex((turn) => turn.role === "user");
  return turns.map((turn, i) => {
    if (turn.reasoning === undefined || (history === "interleaved" && i > lastUser)) return turn;
    const { reasoning: _, ...rest } = turn;
    return rest as T;
  });
}

/** What tells templates, under the names they use, to keep all earlier reasoning. */
export function reasoningHistoryVariables(
  history: ReasoningHistory | null,
): Readonly<Record<string, boolean>> {
  if (history !== "preserved") return {};
  return { preserve_thinking: true, preserved_thinking: true, clear_thinking: false };
}

/**
 * Templates may drop reasoning they are given; what was asked for must then be refused, not lost.
 * @param turns as given to the template. @throws AppError BAD_REQUEST naming `reasoning_history`.
 */
export function checkHistoryRendered(
  prompt: string,
  turns: readonly ReasonedMessage[],
  history: ReasoningHistory | null,
): void {
  if (history === null || history === "disabled") return;
  let at = 0;
  for (const { reasoning } of turns) {
    const text = reasoning?.trim() ?? "";
    const found = prompt.indexOf(text, at);
    if (found === -1) {
      throw badRequest("reasoning_history", `The model's chat template does not keep ${history} reasoning.`);
    }
    at = found + text.length;
  }
}
