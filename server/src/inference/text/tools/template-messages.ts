import type { ConversationMessage, PastToolCall } from "./conversation.ts";
import { type ToolRequest, toolJson } from "./definitions.ts";
import type { JsonObject } from "./json-limits.ts";
import { formatToolCalls } from "./tool-call-format.ts";
import type { SelectedToolFormat, ToolCallSyntax } from "./tool-call-syntax.ts";

/** A message as chat templates read it. */
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
  /** The template's variable `tools`. Templates expect null, not absence, where there are none. */
  tools: JsonObject[] | null;
}

/**
 * What goes into the chat template. A template that knows tools gets them and the messages as they are; for any other
 * the tools become a system text, and calls and results plain messages.
 */
export function toTemplateInput(
  chosen: SelectedToolFormat,
  turns: readonly ConversationMessage[],
  request: ToolRequest | null,
): TemplateInput {
  if (!chosen.native) return { messages: plainMessages(chosen, turns, request), tools: null };
  return {
    messages: nativeMessages(chosen, turns),
    tools: request === null ? null : request.tools.map(toolJson),
  };
}

function nativeMessages(
  { format, argumentsAs }: SelectedToolFormat,
  turns: readonly ConversationMessage[],
): TemplateMessage[] {
  const ids = new Map<string, string>();
  const shortId = (id: string): string => {
    if (format.callIdLength === null) return id;
    // By position, so that the prompt of a longer conversation begins like that of a shorter one.
    if (!ids.has(id)) ids.set(id, String(ids.size + 1).padStart(format.callIdLength, "0"));
    return ids.get(id)!;
  };
  return turns.map((turn) => {
    const message = plainMessage(turn);
    if (turn.toolCalls !== undefined) {
      message.tool_calls = turn.toolCalls.map((call) => ({
        id: shortId(call.id),
        type: "function",
        function: {
          name: call.name,
          arguments: argumentsAs === "text" ? call.arguments : JSON.parse(call.arguments),
        },
      }));
    }
    if (turn.toolCallId !== undefined) message.tool_call_id = shortId(turn.toolCallId);
    return message;
  });
}

function plainMessages(
  { format: { syntax }, supportsSystemRole: takesSystem }: SelectedToolFormat,
  turns: readonly ConversationMessage[],
  request: ToolRequest | null,
): TemplateMessage[] {
  const messages: TemplateMessage[] = [];
  let results: TemplateMessage | null = null;
  for (const turn of turns) {
    const content = turn.role === "tool" ? toolResultText(turn) : turn.content;
    // Most templates know users and assistants only, and want them in turn.
    if (results !== null && (turn.role === "tool" || turn.role === "user")) {
      results.content += `\n${content}`;
    } else if (turn.role === "tool") {
      results = { role: "user", content };
      messages.push(results);
    } else {
      results = null;
      messages.push(
        plainMessage(turn, turn.toolCalls === undefined ? "" : formatToolCalls(syntax, turn.toolCalls)),
      );
    }
  }
  if (request === null) return messages;
  const text = toolSystemPrompt(syntax, request);
  const first = messages[0];
  if (first?.role === "system") first.content = first.content === "" ? text : `${first.content}\n\n${text}`;
  else if (first?.role === "user" && !takesSystem) first.content = `${text}\n\n${first.content}`;
  else messages.unshift({ role: "system", content: text });
  return messages;
}

function plainMessage(turn: ConversationMessage, calls = ""): TemplateMessage {
  const content = [turn.content, calls].filter((part) => part !== "").join("\n");
  const message: TemplateMessage = { role: turn.role, content };
  if (turn.name !== undefined) message.name = turn.name;
  if (turn.reasoning !== undefined) message.reasoning_content = turn.reasoning;
  return message;
}

/** As JSON, so that no result can end its own tag. */
function toolResultText({ name, content }: ConversationMessage): string {
  const json = JSON.stringify({ name, content }).replaceAll("</", "<\\/");
  return `<tool_response>\n${json}\n</tool_response>`;
}

/** Tells a model whose template knows no tools which there are and how to call them. */
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
