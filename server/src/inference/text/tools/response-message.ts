import type { FinishReason } from "../../../engine/generation.ts";
import type { ToolCallEvent } from "./tool-call-stream-parser.ts";

export interface ResponseToolCall {
  id: string;
  name: string;
  /** JSON text, as the model wrote it. */
  arguments: string;
}

/** A choice's events put together: what a whole reply says, and what a client gets from joining a stream. */
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

/** The array `message.tool_calls`. */
export function toolCallsJson(calls: readonly ResponseToolCall[]): string {
  const list = calls.map(
    (call, i) => `{"index":${i},"id":${JSON.stringify(call.id)},"type":"function",${functionJson(call)}}`,
  );
  return `[${list.join(",")}]`;
}

/**
 * The assistant's message of a whole reply. `content` is null where calls stand instead of text; `tool_calls` and
 * `reasoning_content` are left out where there are none, because clients test for the member, not its value.
 */
export function messageJson(reply: {
  content: string;
  toolCalls: readonly ResponseToolCall[];
  reasoning?: string;
}): string {
  const { content, toolCalls: calls, reasoning } = reply;
  const text = content === "" && calls.length > 0 ? "null" : JSON.stringify(content);
  const thoughts = reasoning ? `,"reasoning_content":${JSON.stringify(reasoning)}` : "";
  const called = calls.length > 0 ? `,"tool_calls":${toolCallsJson(calls)}` : "";
  return `{"role":"assistant","content":${text}${thoughts}${called}}`;
}

/**
 * The `delta` object of one event, in OpenAI's layout: a call's first delta has index, id, type, name and empty
 * arguments, the others index and a fragment. Null where nothing is sent: a call's end has no delta of its own.
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
 * `tool_calls` when the reply holds at least one call and the model ended by itself, or was ended after the one call
 * it was allowed; a reply cut off by its length says so.
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
