import type { ChatMessage, ChatReasoning, ChatTools } from "../../engine/chat.ts";
import type { EngineInput } from "../../engine/generation.ts";
import type { ReplicaLease } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import { maxTokensOf, stopsOf } from "../text/parameters.ts";
import type { PromptPlan } from "../text/prompt-plan.ts";
import { applyReasoningHistory } from "../text/reasoning/history.ts";
import { parseReasoningSettings, type ReasoningSettings } from "../text/reasoning/settings.ts";
import { compileOutputConstraint, requestedJson } from "../text/response-format.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import { refuseStopInConstraint } from "../text/stop-in-constraint.ts";
import { checkToolCalls, promisesValidCalls } from "../text/tools/check-tool-calls.ts";
import type { ConversationMessage } from "../text/tools/conversation.ts";
import type { ToolRequest } from "../text/tools/definitions.ts";
import { PreParsedOutput } from "../text/tools/pre-parsed-output.ts";
import { parseFinalTurn } from "./final-turn.ts";
import type { ChatCompletionRequest } from "./protocol.ts";
import { countTokens, dropOldestMessages } from "./truncate.ts";

type ChatInput = Extract<EngineInput, { kind: "chat" }>;

/** Estimated tokens that an engine which renders chat itself writes around each message. */
const TOKENS_AROUND_MESSAGE = 16;

interface RemoteChat {
  body: ChatCompletionRequest;
  replica: ReplicaLease;
  accountId: string;
  conversation: readonly ConversationMessage[];
  /** Null: the request offers no tools. */
  tools: ToolRequest | null;
}

/**
 * Plans the prompt for an engine that renders chat itself: the engine gets the conversation, and the parameters that its
 * features support.
 * @throws AppError BAD_REQUEST naming the field.
 */
export async function planRemoteTemplate(chat: RemoteChat): Promise<PromptPlan> {
  refuseUnsupportedByEngine(chat);
  const { body, replica, conversation, tools } = chat;
  const { features } = replica.capabilities;
  const reasons = features.includes("reasoning");
  const settings = parseReasoningSettings(body, { reasons, maxTokens: maxTokensOf(body) });
  const reasoning = toChatReasoning(body, settings, features.includes("reasoningBudget"));
  const withHistory = applyReasoningHistory(conversation, reasons ? settings.history : "disabled");
  const limit = body.prompt_truncate_len;
  const included =
    limit == null
      ? withHistory
      : await dropOldestMessages(withHistory, limit, (part) =>
          estimateTokens({ ...chat, conversation: part }, limit),
        );
  const messages = included.map(toChatMessage);
  const constraint = await compileOutputConstraint(body, chat.accountId);
  await refuseStopInConstraint({ constraint, stops: stopsOf(body), accountId: chat.accountId });
  const json = features.includes("grammar") ? null : requestedJson(body);
  const input: ChatInput = { kind: "chat", messages };
  if (tools !== null) input.tools = toChatTools(tools);
  if (reasoning !== null) input.reasoning = reasoning;
  const finalTurn = parseFinalTurn(body, conversation);
  // A server without the feature decides by itself how a conversation goes on that ends with the assistant.
  if (finalTurn !== "new" && features.includes("finalTurn")) input.finalTurn = finalTurn;
  return {
    inputs: [input],
    promptFragments: messages.map((message) => message.content),
    // An engine without grammars gets the schema itself, and may follow it less strictly.
    ...(constraint === null ? {} : json === null ? { grammar: constraint.grammar } : { json }),
    responseHeaders: schemaWarningHeaders(constraint),
    ...(tools !== null && promisesValidCalls(tools)
      ? { checkToolCalls: (calls) => checkToolCalls(tools, calls) }
      : {}),
    createParser() {
      return new PreParsedOutput(
        tools && {
          names: tools.tools.map((tool) => tool.name),
          parallel: tools.parallel,
          isForced: tools.choice.kind !== "auto",
        },
      );
    },
  };
}

function refuseUnsupportedByEngine({ body, replica, conversation, tools }: RemoteChat): void {
  const supportsTools = replica.capabilities.features.includes("tools");
  if (tools !== null && !supportsTools) refuse(body.tools == null ? "functions" : "tools");
  const withCalls = conversation.findIndex(
    ({ role, toolCalls }) => role === "tool" || toolCalls !== undefined,
  );
  if (withCalls !== -1 && !supportsTools) {
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
  if (!replica.capabilities.features.includes("finalTurn")) {
    if (body.continue_final_message != null) refuse("continue_final_message");
    if (body.add_generation_prompt === false) refuse("add_generation_prompt");
  }
  // The platform can't see whether the engine's template keeps earlier reasoning.
  if (body.reasoning_history != null && body.reasoning_history !== "disabled") refuse("reasoning_history");
}

function refuse(field: string): never {
  throw badRequest(field, `The engine of this model does not support ${field}.`);
}

/**
 * The engine's reasoning settings; null: the request sets none. An engine without budgets refuses a number of tokens, but
 * accepts a level, for which it chooses the length itself.
 */
function toChatReasoning(
  { reasoning_effort: effort, thinking }: ChatCompletionRequest,
  { enabled, budgetTokens, templateVariables }: ReasoningSettings,
  supportsBudget: boolean,
): ChatReasoning | null {
  if (effort == null && thinking == null) return null;
  if (Object.keys(templateVariables).length === 0) return null;
  const isNumber = typeof effort === "number" || thinking?.budget_tokens != null;
  if (isNumber && !supportsBudget) {
    const field = thinking == null ? "reasoning_effort" : "thinking.budget_tokens";
    throw badRequest(field, `${field}: the engine of this model does not support a number of tokens.`);
  }
  const level = templateVariables["reasoning_effort"] as ChatReasoning["effort"];
  return {
    enabled,
    ...(level === undefined ? {} : { effort: level }),
    ...(budgetTokens === null || !supportsBudget ? {} : { maxTokens: budgetTokens }),
  };
}

/** An upper estimate of the prompt's tokens, because only the engine knows its template. */
async function estimateTokens({ replica, conversation, tools }: RemoteChat, limit: number): Promise<number> {
  const tokensAround = TOKENS_AROUND_MESSAGE * (conversation.length + 1);
  const texts = conversation.map(({ reasoning, content }) => `${reasoning ?? ""}${content}`);
  for (const { toolCalls } of conversation) {
    for (const call of toolCalls ?? []) texts.push(JSON.stringify(call));
  }
  for (const tool of tools?.tools ?? []) texts.push(JSON.stringify(tool));
  return (await countTokens(replica, texts.join("\n"), limit - tokensAround)) + tokensAround;
}

function toChatMessage({
  role,
  content,
  name,
  toolCalls,
  toolCallId,
  reasoning,
}: ConversationMessage): ChatMessage {
  const message: ChatMessage = { role, content };
  // The name in a tool's result is only the function's, which the call that it answers already has.
  if (name !== undefined && role !== "tool") message.name = name;
  if (toolCalls !== undefined) message.toolCalls = toolCalls;
  if (toolCallId !== undefined) message.toolCallId = toolCallId;
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
