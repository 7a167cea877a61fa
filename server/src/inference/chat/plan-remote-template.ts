import type { ChatMessage, ChatReasoning, ChatTools } from "../../engine/chat.ts";
import type { EngineInput } from "../../engine/generation.ts";
import type { ReplicaLease } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import { maxTokensOf } from "../text/parameters.ts";
import type { PromptPlan } from "../text/prompt-plan.ts";
import { applyReasoningHistory } from "../text/reasoning/history.ts";
import { parseReasoningSettings, type ReasoningSettings } from "../text/reasoning/settings.ts";
import { compileOutputConstraint, requestedJson } from "../text/response-format.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import type { ConversationMessage } from "../text/tools/conversation.ts";
import type { ToolRequest } from "../text/tools/definitions.ts";
import { PreParsedOutput } from "../text/tools/pre-parsed-output.ts";
import type { ChatCompletionRequest } from "./protocol.ts";
import { countTokens, dropOldestTurns } from "./truncate.ts";

type ChatInput = Extract<EngineInput, { kind: "chat" }>;

/** Room for what an engine that renders chat itself writes around each message. */
const FRAME_TOKENS = 16;

/**
 * For engines that render chat themselves: the conversation as it is, and whatever of the rest they say they can do.
 * @throws AppError BAD_REQUEST naming the field.
 */
export async function planRemoteTemplate(
  body: ChatCompletionRequest,
  engine: ReplicaLease,
  turns: readonly ConversationMessage[],
  tools: ToolRequest | null,
): Promise<PromptPlan> {
  const { features } = engine.capabilities;
  refuseUnsupportedByEngine(body, engine, turns, tools);
  const reasons = features.includes("reasoning");
  const settings = parseReasoningSettings(body, { reasons, maxTokens: maxTokensOf(body) });
  const reasoning = toChatReasoning(body, settings, features.includes("reasoningBudget"));
  const kept = applyReasoningHistory(turns, reasons ? settings.history : "disabled");
  const limit = body.prompt_truncate_len;
  const shown = limit == null ? kept : await fitToLimit(limit, engine, kept, tools);
  const messages = shown.map(toChatMessage);
  const constraint = await compileOutputConstraint(body);
  const json = features.includes("grammar") ? null : requestedJson(body);
  const input: ChatInput = { kind: "chat", messages };
  if (tools !== null) input.tools = toChatTools(tools);
  if (reasoning !== null) input.reasoning = reasoning;
  return {
    inputs: [input],
    promptFragments: messages.map((message) => message.content),
    // Where the engine takes no grammars, the schema itself; how well it is followed is for the engine.
    ...(constraint === null ? {} : json === null ? { grammar: constraint.grammar } : { json }),
    responseHeaders: schemaWarningHeaders(constraint?.unenforced ?? []),
    createParser() {
      return new PreParsedOutput(
        tools && { names: tools.tools.map((tool) => tool.name), parallel: tools.parallel },
      );
    },
  };
}

function refuseUnsupportedByEngine(
  body: ChatCompletionRequest,
  engine: ReplicaLease,
  turns: readonly ConversationMessage[],
  tools: ToolRequest | null,
): void {
  const canCall = engine.capabilities.features.includes("tools");
  if (tools !== null && !canCall) refuse(body.tools == null ? "functions" : "tools");
  const withCalls = turns.findIndex((turn) => turn.role === "tool" || turn.toolCalls !== undefined);
  if (withCalls !== -1 && !canCall) {
    throw badRequest(
      `messages[${withCalls}]`,
      "The engine of this model does not support calls and their results.",
    );
  }
  if (tools !== null && body.response_format != null && body.response_format.type !== "text") {
    throw badRequest(
      "response_format",
      "response_format can't be combined with tools; set tool_choice to none.",
    );
  }
  if (tools !== null && body.forced_generation != null) refuse("forced_generation");
  if (body.safe_tokenization) refuse("safe_tokenization");
  // Whether the engine's template keeps them can't be seen from here.
  if (body.reasoning_history != null && body.reasoning_history !== "disabled") refuse("reasoning_history");
}

function refuse(field: string): never {
  throw badRequest(field, `The engine of this model does not support ${field}.`);
}

/** Null: nothing is. A budget that was asked for by its number must be one; that of a level is the engine's matter. */
function toChatReasoning(
  { reasoning_effort: effort, thinking }: ChatCompletionRequest,
  { enabled, budgetTokens, templateVariables }: ReasoningSettings,
  canLimit: boolean,
): ChatReasoning | null {
  if (effort == null && thinking == null) return null;
  if (Object.keys(templateVariables).length === 0) return null;
  const isNumber = typeof effort === "number" || thinking?.budget_tokens != null;
  if (isNumber && !canLimit) {
    const field = thinking == null ? "reasoning_effort" : "thinking.budget_tokens";
    throw badRequest(field, `${field}: the engine of this model does not support a number of tokens.`);
  }
  const level = templateVariables["reasoning_effort"] as ChatReasoning["effort"];
  return {
    enabled,
    ...(level === undefined ? {} : { effort: level }),
    ...(budgetTokens === null || !canLimit ? {} : { maxTokens: budgetTokens }),
  };
}

/** Without the oldest turns for which there is no room, as far as that can be told from outside. */
function fitToLimit(
  limit: number,
  engine: ReplicaLease,
  turns: readonly ConversationMessage[],
  tools: ToolRequest | null,
): Promise<readonly ConversationMessage[]> {
  return dropOldestTurns(turns, limit, async (some) => {
    const framed = FRAME_TOKENS * (some.length + 1);
    const calls = some.flatMap((turn) => turn.toolCalls ?? []);
    const text = [
      ...some.map((turn) => `${turn.reasoning ?? ""}${turn.content}`),
      ...[...calls, ...(tools?.tools ?? [])].map((one) => JSON.stringify(one)),
    ].join("\n");
    return (await countTokens(engine, text, limit - framed)) + framed;
  });
}

function toChatMessage({
  role,
  content,
  name,
  toolCalls: calls,
  toolCallId: callId,
  reasoning,
}: ConversationMessage): ChatMessage {
  const message: ChatMessage = { role, content };
  // A result's name is that of the call it answers.
  if (name !== undefined && role !== "tool") message.name = name;
  if (calls !== undefined) message.toolCalls = calls;
  if (callId !== undefined) message.toolCallId = callId;
  if (reasoning !== undefined) message.reasoning = reasoning;
  return message;
}

function toChatTools({ tools, choice, parallel }: ToolRequest): ChatTools {
  return {
    functions: tools,
    toolChoice: choice.kind === "named" ? { name: choice.name } : choice.kind === "any" ? "required" : "auto",
    parallelToolCalls: parallel,
  };
}
