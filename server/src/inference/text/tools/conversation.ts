import { Type } from "typebox";
import { badRequest } from "../../../lib/errors.ts";
import { optional } from "../optional.ts";
import { functionName, MAX_TOOLS } from "./definitions.ts";
import { checkJsonLimits, isJsonObject } from "./json-limits.ts";

const callArguments = optional(Type.Union([Type.String(), Type.Record(Type.String(), Type.Unknown())]));

/** Fields of a message that tools add, for the endpoint's schema; the roles they need are `tool` and `function`. */
export const toolMessageFields = {
  tool_calls: optional(
    Type.Array(
      Type.Object(
        {
          // Clients send back what they were given, `index` included.
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

/** A message as checked by the endpoint's schema, its text parts already joined. */
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

/** A call an assistant made earlier. */
export interface PastToolCall {
  /** The client's, or made up from the position when it sent none. */
  id: string;
  name: string;
  /** JSON text of an object. */
  arguments: string;
}

/** One message of a conversation whose calls and results are matched. */
export interface ConversationMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  /** The author's label; of a result the function's name. */
  name?: string;
  /** Of an assistant that made calls; never empty. */
  toolCalls?: readonly PastToolCall[];
  /** Of a result: the call it answers. */
  toolCallId?: string;
  reasoning?: string;
}

/**
 * Matches results with calls: by `tool_call_id`, or in order where results carry none, as the reference's examples do.
 * `developer` becomes its older name, a `function` message a result, a `function_call` a call.
 * @throws AppError BAD_REQUEST naming the field of a message that has no place.
 */
export function normalizeConversation(messages: readonly RequestMessage[]): ConversationMessage[] {
  /** Calls without a result so far, oldest first. */
  const open: PastToolCall[] = [];
  const known = new Map<string, PastToolCall>();
  return messages.map((message, i) => {
    checkRoleFields(message, i);
    if (message.role === "tool" || message.role === "function") {
      return toolResultMessage(message, `messages[${i}]`, open, known);
    }
    const role = message.role === "developer" ? "system" : (message.role as "system" | "user" | "assistant");
    const turn: ConversationMessage = { role, content: message.content ?? "" };
    if (message.name != null) turn.name = message.name;
    if (message.reasoning_content) turn.reasoning = message.reasoning_content;
    if (message.tool_calls == null && message.function_call == null) return turn;
    const calls = toolCallsOf(message, `messages[${i}]`, i);
    if (calls.length > 0) {
      turn.toolCalls = calls;
      open.push(...calls);
      for (const call of calls) known.set(call.id, call);
    }
    return turn;
  });
}

/** @param position among the messages. */
function checkRoleFields(message: RequestMessage, position: number): void {
  const { role } = message;
  if (role !== "assistant") {
    if (message.tool_calls?.length) refuseField(position, "tool_calls", "assistant");
    if (message.function_call != null) refuseField(position, "function_call", "assistant");
    if (message.reasoning_content) refuseField(position, "reasoning_content", "assistant");
  }
  if (role !== "tool" && message.tool_call_id != null) refuseField(position, "tool_call_id", "tool");
  if (message.content != null) return;
  const mayLack = message.tool_calls?.length || message.function_call != null || message.reasoning_content;
  // A function's result was allowed to be null; null text of a reply stands beside its calls or reasoning.
  if (role === "function" || (role === "assistant" && mayLack)) return;
  const path = `messages[${position}].content`;
  throw badRequest(path, `${path} is required.`);
}

function refuseField(position: number, field: string, only: string): never {
  const path = `messages[${position}].${field}`;
  throw badRequest(path, `${path} belongs to ${only} messages only.`);
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
  const { name, arguments: given } = message.function_call;
  return [
    { id: `call_${position}_0`, name, arguments: argumentsText(given, `${path}.function_call.arguments`) },
  ];
}

/** Arguments come as JSON text, as the API replies, or as an object. Nothing means no arguments. */
function argumentsText(given: RequestFunctionCall["arguments"], path: string): string {
  if (given == null || (typeof given === "string" && given.trim() === "")) return "{}";
  if (typeof given !== "string") {
    checkJsonLimits(given, path);
    return JSON.stringify(given);
  }
  let value: unknown;
  try {
    value = JSON.parse(given);
  } catch {
    value = undefined;
  }
  if (!isJsonObject(value)) throw badRequest(path, `${path} must be the JSON text of an object.`);
  checkJsonLimits(value, path);
  return given;
}

function toolResultMessage(
  message: RequestMessage,
  path: string,
  open: PastToolCall[],
  known: ReadonlyMap<string, PastToolCall>,
): ConversationMessage {
  const turn: ConversationMessage = { role: "tool", content: message.content ?? "" };
  const call = findAnsweredToolCall(message, path, open, known);
  const name = call?.name ?? message.name;
  if (name == null) {
    const field = message.role === "function" ? "name" : "tool_call_id";
    throw badRequest(`${path}.${field}`, `${path} answers no call of an earlier assistant message.`);
  }
  turn.name = name;
  if (call !== undefined) turn.toolCallId = call.id;
  return turn;
}

function findAnsweredToolCall(
  message: RequestMessage,
  path: string,
  open: PastToolCall[],
  known: ReadonlyMap<string, PastToolCall>,
): PastToolCall | undefined {
  const id = message.tool_call_id;
  if (id == null) {
    const at = message.name == null ? 0 : open.findIndex((call) => call.name === message.name);
    return at === -1 ? undefined : open.splice(at, 1)[0];
  }
  const call = known.get(id);
  if (call === undefined) {
    throw badRequest(
      `${path}.tool_call_id`,
      `${path}.tool_call_id names no call of an earlier assistant message.`,
    );
  }
  const at = open.indexOf(call);
  if (at !== -1) open.splice(at, 1);
  return call;
}
