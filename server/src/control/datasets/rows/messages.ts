import { sanitizeForMessage } from "../../../lib/field-names.ts";
import { isObject, type JsonObject } from "./json-line.ts";
import { RowError } from "./row-error.ts";

/** Size of a row in a dataset's statistics. */
export interface RowSize {
  /** Number of user messages. */
  turns: number;
  /** An estimate: one token for 4 UTF-8 bytes of text, plus 4 for each message, which a chat template adds. */
  tokens: number;
}

export interface Conversation extends RowSize {
  /** At least one assistant message has a weight other than 0. */
  hasTrainedMessage: boolean;
  lastRole: Role;
}

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"] as const;
type Role = (typeof ROLES)[number];

const BYTES_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;

/** Types of content parts that hold media. The field with the media has the same name as the type. */
const MEDIA_TYPES = new Set(["image_url", "video_url", "audio_url", "input_audio"]);
/** Fields of assistant messages in responses. Clients copy them into rows, so an empty one is accepted. */
const RESPONSE_FIELDS = new Set(["refusal", "audio", "annotations"]);
const FUNCTION_NAME = /^[a-zA-Z0-9_.-]{1,64}$/;

/** Tool calls of the messages so far. Each tool result must answer one of them. */
interface ToolCalls {
  ids: Set<string>;
  /** Number of calls without a result. */
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
    sum.tokens += checkMessage(message, { role, at, calls });
    if (role === "user") sum.turns++;
    if (role === "assistant" && message["weight"] !== 0) sum.hasTrainedMessage = true;
    sum.lastRole = role;
  });
  if (sum.turns === 0) throw new RowError(`${path} has no message of the role user`);
  return sum;
}

/** Checks an output of a preference pair: one assistant message. Returns its estimated tokens. @throws RowError */
export function checkAssistantOutput(value: unknown, path: string): number {
  const [message] = Array.isArray(value) ? value : [];
  if (!Array.isArray(value) || value.length !== 1 || !isObject(message) || message["role"] !== "assistant") {
    throw new RowError(`${path} must be a list of one message of the role assistant`);
  }
  return checkMessage(message, {
    role: "assistant",
    at: `${path}[0]`,
    calls: { ids: new Set(), unanswered: 0 },
  });
}

/** Checks the definitions of `tools`. Returns their estimated tokens. @throws RowError */
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

function checkMessage(
  message: JsonObject,
  { role, at, calls }: { role: Role; at: string; calls: ToolCalls },
): number {
  let tokens = TOKENS_PER_MESSAGE;
  let mayLackContent = role === "function";
  for (const [field, value] of Object.entries(message)) {
    // Some tools write null for an absent field.
    if (value === null || field === "role" || field === "content") continue;
    if (field === "tool_calls" || field === "function_call" || field === "reasoning_content") {
      if (role !== "assistant") throw new RowError(`${at}.${field} belongs to assistant messages only`);
      tokens +=
        field === "reasoning_content"
          ? checkReasoning(value, `${at}.${field}`)
          : checkToolCalls(field, value, { at: `${at}.${field}`, calls });
      mayLackContent = true;
    } else checkField(field, value, { role, at });
  }
  if (role === "tool" || role === "function") checkToolResult(message, at, calls);
  const content = message["content"];
  if (mayLackContent && (content === undefined || content === null)) return tokens;
  return tokens + checkContent(content, role, `${at}.content`);
}

function checkField(field: string, value: unknown, { role, at }: { role: Role; at: string }): void {
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
  } else if (!RESPONSE_FIELDS.has(field) || !Array.isArray(value) || value.length > 0) {
    throw new RowError(`${at}.${sanitizeForMessage(field)} is not a field that messages have here`);
  }
}

function checkReasoning(value: unknown, at: string): number {
  if (typeof value !== "string") throw new RowError(`${at} must be text`);
  return textTokens(value);
}

/** Checks `tool_calls` or the older `function_call`, and adds the calls to `calls`. Returns their estimated tokens. */
function checkToolCalls(
  field: "tool_calls" | "function_call",
  value: unknown,
  { at, calls }: { at: string; calls: ToolCalls },
): number {
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
  const { name, arguments: args } = value;
  checkFunctionName(name, `${at}.name`);
  const text = typeof args === "string" ? args : JSON.stringify(args ?? {});
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

/** Accepts a result without an id when at least one call has no result. */
function checkToolResult(message: JsonObject, at: string, calls: ToolCalls): void {
  const id = message["tool_call_id"];
  const answers = typeof id === "string" ? calls.ids.has(id) : calls.unanswered > 0;
  if (!answers) throw new RowError(`${at} answers no tool call of an earlier assistant message`);
  calls.unanswered--;
}

function checkContent(value: unknown, role: Role, at: string): number {
  if (typeof value === "string") return textTokens(value);
  if (value === undefined || value === null) throw new RowError(`${at} is missing`);
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
  if (typeof type !== "string" || !MEDIA_TYPES.has(type)) {
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
