import type { FinishReason } from "../../../engine/generation.ts";
import type { ToolCallEvent } from "./tool-call-stream-parser.ts";

export interface ResponseToolCall {
  id: string;
  name: string;
  /** JSON text, as the model wrote it. */
  arguments: string;
}

/** Joins a choice's events to the message of a whole response. A client that joins a stream gets the same. */
export class AssembledMessage {
  content = "";
  readonly toolCalls: ResponseToolCall[] = [];

  add(events: readonly ToolCallEvent[]): void {
    for (const event of events) {
      if (event.type === "content") this.content += event.text;
      else if (event.type === "call-start") {
        this.toolCalls[event.index] = { id: event.id, name: event.name, arguments: "" };
      } else if (event.type === "arguments") {
        this.toolCalls[event.index]!.arguments += event.text;
      }
    }
  }
}

/** The array `message.tool_calls` as JSON text. */
export function toolCallsJson(calls: readonly ResponseToolCall[]): string {
  const list = calls.map(
    (call, i) => `{"index":${i},"id":${JSON.stringify(call.id)},"type":"function",${functionJson(call)}}`,
  );
  return `[${list.join(",")}]`;
}

/**
 * The assistant's message of a whole response as JSON text. `content` is null when there are tool calls and no text. Empty
 * `tool_calls` and `reasoning_content` are left out, because clients test for the member, not for its value.
 */
export function messageJson(message: {
  content: string;
  toolCalls: readonly ResponseToolCall[];
  reasoning?: string;
}): string {
  const { content, toolCalls, reasoning } = message;
  const text = content === "" && toolCalls.length > 0 ? "null" : JSON.stringify(content);
  const reasoningMember = reasoning ? `,"reasoning_content":${JSON.stringify(reasoning)}` : "";
  const toolCallsMember = toolCalls.length > 0 ? `,"tool_calls":${toolCallsJson(toolCalls)}` : "";
  return `{"role":"assistant","content":${text}${reasoningMember}${toolCallsMember}}`;
}

/**
 * The `delta` object of one event as JSON text, in OpenAI's layout: a call's first delta has index, id, type, name and
 * empty arguments, the others have the index and a fragment of the arguments. Null: a call's end has no delta.
 */
export function toolDeltaJson(event: ToolCallEvent): string | null {
  switch (event.type) {
    case "content":
      return `{"content":${JSON.stringify(event.text)}}`;
    case "call-start": {
      const { index, id, name } = event;
      const call = `"id":${JSON.stringify(id)},"type":"function",${functionJson({ name, arguments: "" })}`;
      return `{"tool_calls":[{"index":${index},${call}}]}`;
    }
    case "arguments": {
      const { index, text } = event;
      return `{"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(text)}}}]}`;
    }
    case "call-end":
      return null;
  }
}

/**
 * The finish reason of a choice: `tool_calls` when it made a call and the model stopped by itself, or when the parser ended
 * it after the only call that was allowed; else the engine's reason.
 */
export function finishReasonOf(
  reason: FinishReason,
  parser: { callCount: number; complete: boolean },
): FinishReason | "tool_calls" {
  if (parser.complete) return "tool_calls";
  return reason === "stop" && parser.callCount > 0 ? "tool_calls" : reason;
}

function functionJson(call: { name: string; arguments: string }): string {
  return `"function":{"name":${JSON.stringify(call.name)},"arguments":${JSON.stringify(call.arguments)}}`;
}
