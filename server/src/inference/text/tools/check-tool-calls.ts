import { EngineError } from "../../../engine/errors.ts";
import { fitsSchema } from "../../../structured-output/instance-check.ts";
import type { ChoiceFinishReason } from "../output-parser.ts";
import { callableTools, type ToolRequest } from "./definitions.ts";
import type { ResponseToolCall } from "./response-message.ts";

/** The tool calls of one choice and why it ended. */
export interface FinishedToolCalls {
  toolCalls: readonly ResponseToolCall[];
  finishReason: ChoiceFinishReason;
}

/** Whether the request promises calls that fit their schemas: when a call is forced, or a tool is strict. */
export function promisesValidCalls({ choice, tools }: ToolRequest): boolean {
  return choice.kind !== "auto" || tools.some((tool) => tool.strict);
}

/**
 * Checks the calls of an engine that parses tool calls itself: forced calls, and calls of strict tools. Calls that `length`
 * cut off are not checked. @throws EngineError `bad_reply` when a forced call is missing or arguments don't fit.
 */
export async function checkToolCalls(
  request: ToolRequest,
  { toolCalls, finishReason }: FinishedToolCalls,
): Promise<void> {
  if (finishReason === "length") return;
  const isForced = request.choice.kind !== "auto";
  if (isForced && toolCalls.length === 0) {
    throw new EngineError(
      "bad_reply",
      "The model server did not call a function though the request forces a call.",
    );
  }
  const tools = new Map(callableTools(request).map((tool) => [tool.name, tool]));
  for (const call of toolCalls) {
    const tool = tools.get(call.name);
    if (tool !== undefined && !isForced && !tool.strict) continue;
    if (tool === undefined || !(await fitsSchema(call.arguments, tool.parameters))) {
      throw new EngineError(
        "bad_reply",
        `The model server's call of ${call.name} does not fit its parameters.`,
      );
    }
  }
}
