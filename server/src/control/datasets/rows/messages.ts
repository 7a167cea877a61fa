import { sanitizeForMessage } from "../../../lib/field-names.ts";
import { isObject, type JsonObject } from "./json-line.ts";
import { RowError } from "./row-error.ts";

/** What a row amounts to. */
export interface RowSize {
  /** Messages of the user. */
  turns: number;
  /** An estimate: a quarter of the text's UTF-8 bytes, and what a template adds to a message. */
  tokens: number;
}

export interface Conversation extends RowSize {
  /** Some message of the assistant is trained on: there is one, and not all have the weight 0. */
  hasTrainedMessage: boolean;
  lastRole: Role;
}

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"] as const;
type Role = (typeof ROLES)[number];

const BYTES_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;

/** Media by the type of the part that holds it, which is also the name of the part's field. */
const MEDIA = new Set(["image_url", "video_url", "audio_url", "input_audio"]);
/** Fields that replies carry and clients copy along; their empty forms mean nothing. */
const ECHOED = new Set(["refusal", "audio", "annotations"]);
const FUNCTION_NAME = /^[a-zA-Z0-9_.-]{1,64}$/;

/** Calls of the assistant so far, for the results that answer them. */
interface ToolCalls {
  ids: Set<string>;
  /** Calls without a result yet. */
  unanswered: number;
}

/**
 * Checks a list of chat messages: roles, their order, content, tool calls and results.
 * @param path the field that holds the list
 * @throws RowError
 */
export function checkMessages(value: unknown, path: string): Conversation {
  if (!Array.isArray(value) || value.length === 0) {
    throw new RowError(`${path} must be a list of at least one message`);
  }
  const calls: ToolCalls = { ids: new Set(), unanswered: 0 };
  const sum: Conversation = { turns: 0, tokens: 0, hasTrainedMessage: false, lastRole: "user" };
  value.forEach((message: unknown, i) => {
    const at = `${path}[${i}]`;
    if (!isObject(message)) throw new RowError(`${at} must be an object with role and content`);
    const role = checkRole(message, at, i);
    sum.tokens += checkMessage(message, role, at, calls);
    if (role === "user") sum.turns++;
    if (role === "assistant" && message["weight"] !== 0) sum.hasTrainedMessage = true;
    sum.lastRole = role;
  });
  if (sum.turns === 0) throw new RowError(`${path} has no message of the role user`);
  return sum;
}

/** One message that the assistant might have written, as in preference pairs; its estimated tokens. @throws RowError */
export function checkAssistantOutput(value: unknown, path: string): number {
  const [message] = Array.isArray(value) ? value : [];
  if (!Array.isArray(value) || value.length !== 1 || !isObject(message) || message["role"] !== "assistant") {
    throw new RowError(`${path} must be a list of one message of the role assistant`);
  }
  return checkMessage(message, "assistant", `${path}[0]`, { ids: new Set(), unanswered: 0 });
}

/** The definitions of `tools`; their estimated tokens. @throws RowError */
export function checkTools(value: unknown, path: string): number {
  if (value === undefined || value === null) return 0;
  if (!Array.isArray(value)) throw new RowError(`${path} must be a list of tools`);
  value.forEach((tool: unknown, i) => {
    const at = `${path}[${i}]`;
    if (!isObject(tool) || tool["type"] !== "function" || !isObject(tool["function"])) {
      throw new RowError(`${at} must be an object with type "function" and function`);
    }
    const { name, parameters } = tool["function"];
    checkFunctionName(name, `${at}.function.name`);
    if (parameters != null && !isObject(parameters)) {
      throw new RowError(`${at}.function.parameters must be a JSON schema`);
    }
  });
  return value.length === 0 ? 0 : textTokens(JSON.stringify(value));
}

export function textTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

function checkRole(message: JsonObject, at: string, position: number): Role {
  const role = message["role"] as Role;
  if (!ROLES.includes(role)) {
    throw new RowError(`${at}.role must be system, user, assistant or tool`);
  }
  if ((role === "system" || role === "developer") && position > 0) {
    throw new RowError(`${at}: a ${role} message must be the first message`);
  }
  return role;
}

function checkMessage(message: JsonObject, role: Role, at: string, calls: ToolCalls): number {
  let tokens = TOKENS_PER_MESSAGE;
  let mayLackContent = role === "function";
  for (const [field, value] of Object.entries(message)) {
    // Null is what some writers put for a field that isn't there.
    if (value === null || field === "role" || field === "content") continue;
    if (field === "tool_calls" || field === "function_call" || field === "reasoning_content") {
      if (role !== "assistant") throw new RowError(`${at}.${field} belongs to assistant messages only`);
      tokens += checkAssistantField(field, value, `${at}.${field}`, calls);
      mayLackContent = true;
    } else checkField(field, value, role, at);
  }
  if (role === "tool" || role === "function") checkToolResult(message, at, calls);
  return tokens + checkContent(message["content"], role, `${at}.content`, mayLackContent);
}

function checkField(field: string, value: unknown, role: Role, at: string): void {
  if (field === "weight") {
    if (role !== "assistant") throw new RowError(`${at}.weight belongs to assistant messages only`);
    if (value !== 0 && value !== 1) throw new RowError(`${at}.weight must be 0 or 1`);
  } else if (field === "name") {
    if (typeof value !== "string" || value === "") throw new RowError(`${at}.name must be text`);
  } else if (field === "tool_call_id") {
    if (role !== "tool") throw new RowError(`${at}.tool_call_id belongs to tool messages only`);
    if (typeof value !== "string" || value === "") throw new RowError(`${at}.tool_call_id must be text`);
  } else if (field === "index") {
    if (!Number.isInteger(value)) throw new RowError(`${at}.index must be a whole number`);
  } else if (!ECHOED.has(field) || !Array.isArray(value) || value.length > 0) {
    throw new RowError(`${at}.${sanitizeForMessage(field)} is not a field that messages have here`);
  }
}

function checkAssistantField(field: string, value: unknown, at: string, calls: ToolCalls): number {
  if (field === "reasoning_content") {
    if (typeof value !== "string") throw new RowError(`${at} must be text`);
    return textTokens(value);
  }
  if (field === "function_call") {
    calls.unanswered++;
    return checkToolCall(value, at);
  }
  if (!Array.isArray(value)) throw new RowError(`${at} must be a list of calls`);
  let tokens = 0;
  value.forEach((call: unknown, i) => {
    if (!isObject(call)) throw new RowError(`${at}[${i}] must be an object with id and function`);
    if (call["type"] !== undefined && call["type"] !== "function") {
      throw new RowError(`${at}[${i}].type must be "function"`);
    }
    if (typeof call["id"] === "string") calls.ids.add(call["id"]);
    else if (call["id"] != null) throw new RowError(`${at}[${i}].id must be text`);
    calls.unanswered++;
    tokens += checkToolCall(call["function"], `${at}[${i}].function`);
  });
  return tokens;
}

function checkToolCall(value: unknown, at: string): number {
  if (!isObject(value)) throw new RowError(`${at} must be an object with name and arguments`);
  const { name, arguments: given } = value;
  checkFunctionName(name, `${at}.name`);
  const text = typeof given === "string" ? given : JSON.stringify(given ?? {});
  if (text.trim() !== "" && !isObject(parseOrNull(text))) {
    throw new RowError(`${at}.arguments must be the JSON text of an object`);
  }
  return textTokens(name) + textTokens(text);
}

function checkFunctionName(name: unknown, at: string): asserts name is string {
  if (typeof name !== "string" || !FUNCTION_NAME.test(name)) {
    throw new RowError(`${at} must be 1 to 64 letters, digits, underscores, dots or hyphens`);
  }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A result without an id answers the oldest call without a result. */
function checkToolResult(message: JsonObject, at: string, calls: ToolCalls): void {
  const id = message["tool_call_id"];
  const answers = typeof id === "string" ? calls.ids.has(id) : calls.unanswered > 0;
  if (!answers) throw new RowError(`${at} answers no tool call of an earlier assistant message`);
  calls.unanswered--;
}

function checkContent(value: unknown, role: Role, at: string, mayLack: boolean): number {
  if (typeof value === "string") return textTokens(value);
  if (value === undefined || value === null) {
    if (mayLack) return 0;
    throw new RowError(`${at} is missing`);
  }
  if (!Array.isArray(value) || value.length === 0) {
    throw new RowError(`${at} must be text or a list of at least one part`);
  }
  let tokens = 0;
  value.forEach((part: unknown, i) => {
    tokens += checkPart(part, role, `${at}[${i}]`);
  });
  return tokens;
}

function checkPart(part: unknown, role: Role, at: string): number {
  if (!isObject(part)) throw new RowError(`${at} must be an object with type`);
  const { type } = part;
  if (type === "text") {
    if (typeof part["text"] !== "string") throw new RowError(`${at}.text must be text`);
    return textTokens(part["text"]);
  }
  if (typeof type !== "string" || !MEDIA.has(type)) {
    throw new RowError(`${at}.type must be text, image_url, video_url, audio_url or input_audio`);
  }
  if (role !== "user") throw new RowError(`${at}: only user messages may hold ${type} parts`);
  const media = part[type];
  if (!isObject(media)) throw new RowError(`${at}.${type} must be an object`);
  const source = type === "input_audio" ? "data" : "url";
  if (typeof media[source] !== "string" || media[source] === "") {
    throw new RowError(`${at}.${type}.${source} must be text`);
  }
  return 0;
}
