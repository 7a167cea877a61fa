import { Type } from "typebox";
import { badRequest } from "../../../lib/errors.ts";
import { optional } from "../optional.ts";
import { functionName, MAX_TOOLS } from "./definitions.ts";
import { checkJsonLimits, isJsonObject } from "./json-limits.ts";

const callArguments = optional(Type.Union([Type.String(), Type.Record(Type.String(), Type.Unknown())]));

/** Fields of a message about tool calls and their results, for the endpoint's schema. */
export const toolMessageFields = {
  tool_calls: optional(
    Type.Array(
      Type.Object(
        {
          // Clients send responses back unchanged, with `index`.
          index: optional(Type.Integer()),
          id: optional(Type.String({ minLength: 1, maxLength: 256 })),
          type: optional(Type.Literal("function")),
          function: Type.Object(
            { name: functionName, arguments: callArguments },
            { additionalProperties: false },
          ),
        },
        { additionalProperties: false },
      ),
      { maxItems: MAX_TOOLS },
    ),
  ),
  tool_call_id: optional(Type.String({ minLength: 1, maxLength: 256 })),
  function_call: optional(
    Type.Object({ name: functionName, arguments: callArguments }, { additionalProperties: false }),
  ),
};

interface RequestFunctionCall {
  name: string;
  arguments?: string | Record<string, unknown> | null | undefined;
}

/** A message that fits the endpoint's schema, with its text parts joined. */
export interface RequestMessage {
  role: string;
  content?: string | null | undefined;
  name?: string | null | undefined;
  tool_calls?:
    | readonly { id?: string | null | undefined; function: RequestFunctionCall }[]
    | null
    | undefined;
  tool_call_id?: string | null | undefined;
  function_call?: RequestFunctionCall | null | undefined;
  reasoning_content?: string | null | undefined;
}

/** A tool call in an earlier message of the assistant. */
export interface PastToolCall {
  /** From the client; without one, made from the call's position. */
  id: string;
  name: string;
  /** JSON text of an object. */
  arguments: string;
}

/** One message of a conversation in which each tool result is matched with its call. */
export interface ConversationMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  /** Name of the author; in a tool's result, of the function. */
  name?: string;
  /** Calls of an assistant's message; never empty. */
  toolCalls?: readonly PastToolCall[];
  /** Id of the call that a tool's result answers. */
  toolCallId?: string;
  reasoning?: string;
}

/**
 * Matches tool results with their calls: by `tool_call_id`, else by the function's name, else in order, as in the
 * reference's examples. Converts the role `developer` to `system`, a `function` message to a tool's result and a
 * `function_call` to a tool call.
 * @throws AppError BAD_REQUEST naming a field that its message's role doesn't allow, or that matches no call.
 */
export function normalizeConversation(messages: readonly RequestMessage[]): ConversationMessage[] {
  /** Calls without a result so far, oldest first. */
  const unanswered: PastToolCall[] = [];
  const callsById = new Map<string, PastToolCall>();
  return messages.map((message, i) => {
    checkRoleFields(message, i);
    if (message.role === "tool" || message.role === "function") {
      return toolResultMessage(message, `messages[${i}]`, { unanswered, callsById });
    }
    const role = message.role === "developer" ? "system" : (message.role as "system" | "user" | "assistant");
    const normalized: ConversationMessage = { role, content: message.content ?? "" };
    if (message.name != null) normalized.name = message.name;
    if (message.reasoning_content) normalized.reasoning = message.reasoning_content;
    if (message.tool_calls == null && message.function_call == null) return normalized;
    const calls = toolCallsOf(message, `messages[${i}]`, i);
    if (calls.length > 0) {
      normalized.toolCalls = calls;
      unanswered.push(...calls);
      for (const call of calls) callsById.set(call.id, call);
    }
    return normalized;
  });
}

/** @param position index of the message. @throws AppError BAD_REQUEST naming the field. */
function checkRoleFields(message: RequestMessage, position: number): void {
  const { role } = message;
  if (role !== "assistant") {
    if (message.tool_calls?.length) refuseField(position, "tool_calls", "assistant");
    if (message.function_call != null) refuseField(position, "function_call", "assistant");
    if (message.reasoning_content) refuseField(position, "reasoning_content", "assistant");
  }
  if (role !== "tool" && message.tool_call_id != null) refuseField(position, "tool_call_id", "tool");
  if (message.content != null) return;
  const hasOtherOutput =
    message.tool_calls?.length || message.function_call != null || message.reasoning_content;
  // OpenAI's older API allowed null for the result of a function.
  if (role === "function" || (role === "assistant" && hasOtherOutput)) return;
  const path = `messages[${position}].content`;
  throw badRequest(path, `${path} is required.`);
}

function refuseField(position: number, field: string, role: string): never {
  const path = `messages[${position}].${field}`;
  throw badRequest(path, `${path} belongs to ${role} messages only.`);
}

function toolCallsOf(message: RequestMessage, path: string, position: number): PastToolCall[] {
  const calls = (message.tool_calls ?? []).map((call, j) => ({
    id: call.id ?? `call_${position}_${j}`,
    name: call.function.name,
    arguments: argumentsText(call.function.arguments, `${path}.tool_calls[${j}].function.arguments`),
  }));
  if (message.function_call == null) return calls;
  if (calls.length > 0) {
    throw badRequest(`${path}.function_call`, `${path}: set tool_calls or function_call, not both.`);
  }
  const { name, arguments: value } = message.function_call;
  return [
    {
      id: `call_${position}_0`,
      name,
      arguments: argumentsText(value, `${path}.function_call.arguments`),
    },
  ];
}

/** The JSON text of a call's arguments, which a client may send as text or as an object. Absent, null and "" mean `{}`. */
function argumentsText(value: RequestFunctionCall["arguments"], path: string): string {
  if (value == null || (typeof value === "string" && value.trim() === "")) return "{}";
  if (typeof value !== "string") {
    checkJsonLimits(value, path);
    return JSON.stringify(value);
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    parsed = undefined;
  }
  if (!isJsonObject(parsed)) throw badRequest(path, `${path} must be the JSON text of an object.`);
  checkJsonLimits(parsed, path);
  return value;
}

interface EarlierToolCalls {
  unanswered: PastToolCall[];
  callsById: ReadonlyMap<string, PastToolCall>;
}

function toolResultMessage(
  message: RequestMessage,
  path: string,
  earlier: EarlierToolCalls,
): ConversationMessage {
  const result: ConversationMessage = { role: "tool", content: message.content ?? "" };
  const call = takeAnsweredCall(message, path, earlier);
  const name = call?.name ?? message.name;
  if (name == null) {
    const field = message.role === "function" ? "name" : "tool_call_id";
    throw badRequest(`${path}.${field}`, `${path} answers no call of an earlier assistant message.`);
  }
  result.name = name;
  if (call !== undefined) result.toolCallId = call.id;
  return result;
}

/** The call that a result answers, which is then no longer unanswered. Undefined: no call matches. */
function takeAnsweredCall(
  message: RequestMessage,
  path: string,
  { unanswered, callsById }: EarlierToolCalls,
): PastToolCall | undefined {
  const id = message.tool_call_id;
  if (id == null) {
    const index = message.name == null ? 0 : unanswered.findIndex((call) => call.name === message.name);
    return index === -1 ? undefined : unanswered.splice(index, 1)[0];
  }
  const call = callsById.get(id);
  if (call === undefined) {
    throw badRequest(
      `${path}.tool_call_id`,
      `${path}.tool_call_id names no call of an earlier assistant message.`,
    );
  }
  const index = unanswered.indexOf(call);
  if (index !== -1) unanswered.splice(index, 1);
  return call;
}
