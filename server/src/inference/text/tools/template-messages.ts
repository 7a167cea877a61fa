import type { ConversationMessage, PastToolCall } from "./conversation.ts";
import { type ToolRequest, toolJson } from "./definitions.ts";
import type { JsonObject } from "./json-limits.ts";
import { formatToolCalls } from "./tool-call-format.ts";
import type { SelectedToolFormat, ToolCallSyntax } from "./tool-call-syntax.ts";

/** A message in the form that chat templates read. */
export interface TemplateMessage {
  role: string;
  content: string;
  name?: string;
  tool_calls?: { id: string; type: "function"; function: { name: string; arguments: unknown } }[];
  tool_call_id?: string;
  reasoning_content?: string;
}

export interface TemplateInput {
  messages: TemplateMessage[];
  /** The template's variable `tools`. Without tools, templates expect null rather than an absent variable. */
  tools: JsonObject[] | null;
}

/**
 * The input of a chat template. A template that supports tools gets tools and messages unchanged. For any other template the
 * tools become a system message, and calls and results become plain messages.
 */
export function toTemplateInput(
  selected: SelectedToolFormat,
  conversation: readonly ConversationMessage[],
  request: ToolRequest | null,
): TemplateInput {
  if (!selected.native) return { messages: plainMessages(selected, conversation, request), tools: null };
  return {
    messages: nativeMessages(selected, conversation),
    tools: request === null ? null : request.tools.map(toolJson),
  };
}

/** The variable `functions` of Firefunction's templates: the functions as JSON text. Null: there are no tools. */
export function functionsText(tools: readonly JsonObject[] | null): string | null {
  if (tools === null) return null;
  return JSON.stringify(
    tools.map((tool) => tool["function"]),
    null,
    4,
  );
}

function nativeMessages(
  { format, argumentsAs }: SelectedToolFormat,
  conversation: readonly ConversationMessage[],
): TemplateMessage[] {
  const ids = new Map<string, string>();
  const shortId = (id: string): string => {
    if (format.callIdLength === null) return id;
    // Numbered by position, so that the longer conversation's prompt shares its prefix with the shorter one's in the cache.
    if (!ids.has(id)) ids.set(id, String(ids.size + 1).padStart(format.callIdLength, "0"));
    return ids.get(id)!;
  };
  return conversation.map((source) => {
    const message = plainMessage(source);
    if (source.toolCalls !== undefined) {
      message.tool_calls = source.toolCalls.map((call) => ({
        id: shortId(call.id),
        type: "function",
        function: {
          name: call.name,
          arguments: argumentsAs === "text" ? call.arguments : JSON.parse(call.arguments),
        },
      }));
    }
    if (source.toolCallId !== undefined) message.tool_call_id = shortId(source.toolCallId);
    return message;
  });
}

function plainMessages(
  { format: { syntax }, supportsSystemRole }: SelectedToolFormat,
  conversation: readonly ConversationMessage[],
  request: ToolRequest | null,
): TemplateMessage[] {
  const messages: TemplateMessage[] = [];
  let results: TemplateMessage | null = null;
  for (const message of conversation) {
    const content = message.role === "tool" ? toolResultText(message) : message.content;
    // Most templates refuse other roles than user and assistant, and two messages of one role in a row.
    if (results !== null && (message.role === "tool" || message.role === "user")) {
      results.content += `\n${content}`;
    } else if (message.role === "tool") {
      results = { role: "user", content };
      messages.push(results);
    } else {
      results = null;
      const calls = message.toolCalls === undefined ? "" : formatToolCalls(syntax, message.toolCalls);
      messages.push(plainMessage(message, calls));
    }
  }
  if (request === null) return messages;
  const text = toolSystemPrompt(syntax, request);
  const first = messages[0];
  if (first?.role === "system") first.content = first.content === "" ? text : `${first.content}\n\n${text}`;
  else if (first?.role === "user" && !supportsSystemRole) first.content = `${text}\n\n${first.content}`;
  else messages.unshift({ role: "system", content: text });
  return messages;
}

function plainMessage(source: ConversationMessage, calls = ""): TemplateMessage {
  const content = [source.content, calls].filter((part) => part !== "").join("\n");
  const message: TemplateMessage = { role: source.role, content };
  if (source.name !== undefined) message.name = source.name;
  if (source.reasoning !== undefined) message.reasoning_content = source.reasoning;
  return message;
}

/** A tool's result as JSON inside a tag, escaped so that the result's text can't close the tag. */
function toolResultText({ name, content }: ConversationMessage): string {
  const json = JSON.stringify({ name, content }).replaceAll("</", "<\\/");
  return `<tool_response>\n${json}\n</tool_response>`;
}

/** The system prompt that describes the tools and the form of a call, for models whose template doesn't support tools. */
export function toolSystemPrompt(syntax: ToolCallSyntax, request: ToolRequest): string {
  const { tools, choice, parallel } = request;
  const example: Omit<PastToolCall, "id"> = { name: "function_name", arguments: '{"argument": "value"}' };
  const lines = [
    "You can call these functions, each described by one line of JSON:",
    "<tools>",
    ...tools.map((tool) => JSON.stringify(toolJson(tool).function)),
    "</tools>",
    "To call a function, reply in exactly this form, with its name and its arguments:",
    formatToolCalls(syntax, [example]),
  ];
  if (choice.kind === "named") lines.push(`Call the function ${choice.name} now.`);
  else if (choice.kind === "any") lines.push("Call a function now.");
  else lines.push("Call a function only if it helps to answer; otherwise answer in plain text.");
  lines.push(
    parallel && choice.kind !== "named"
      ? "Several calls may follow one another in one reply."
      : "Make one call at most.",
    "The results come back inside <tool_response> tags.",
  );
  return lines.join("\n");
}
