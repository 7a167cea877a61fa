import { expect, test } from "vitest";
import { AssembledMessage, finishReasonOf, messageJson, toolDeltaJson } from "./response-message.ts";
import type { ToolCallEvent } from "./tool-call-stream-parser.ts";

const events: ToolCallEvent[] = [
  { type: "content", text: 'Say "hi".\n' },
  { type: "call-start", index: 0, id: "call_1", name: "a" },
  { type: "arguments", index: 0, text: '{"x": ' },
  { type: "arguments", index: 0, text: '"é\\n"}' },
  { type: "call-end", index: 0 },
  { type: "call-start", index: 1, id: "call_2", name: "b" },
  { type: "arguments", index: 1, text: "{}" },
  { type: "call-end", index: 1 },
];

test("streamed calls have OpenAI's layout: all names first, then fragments by index alone", () => {
  expect(events.map((event) => JSON.parse(toolDeltaJson(event) ?? "null"))).toEqual([
    { content: 'Say "hi".\n' },
    { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "a", arguments: "" } }] },
    { tool_calls: [{ index: 0, function: { arguments: '{"x": ' } }] },
    { tool_calls: [{ index: 0, function: { arguments: '"é\\n"}' } }] },
    null,
    { tool_calls: [{ index: 1, id: "call_2", type: "function", function: { name: "b", arguments: "" } }] },
    { tool_calls: [{ index: 1, function: { arguments: "{}" } }] },
    null,
  ]);
});

test("a whole response has the same message as the joined stream", () => {
  const response = new AssembledMessage();
  response.add(events.slice(0, 3));
  response.add(events.slice(3));
  expect(
    JSON.parse(messageJson({ content: response.content, toolCalls: response.toolCalls, reasoning: "r" })),
  ).toEqual({
    role: "assistant",
    content: 'Say "hi".\n',
    reasoning_content: "r",
    tool_calls: [
      { index: 0, id: "call_1", type: "function", function: { name: "a", arguments: '{"x": "é\\n"}' } },
      { index: 1, id: "call_2", type: "function", function: { name: "b", arguments: "{}" } },
    ],
  });
});

test("content is null only beside calls, and empty members are left out", () => {
  const calls = [{ id: "call_1", name: "a", arguments: "{}" }];
  expect(JSON.parse(messageJson({ content: "", toolCalls: calls })).content).toBeNull();
  expect(JSON.parse(messageJson({ content: "", toolCalls: [], reasoning: "" }))).toEqual({
    role: "assistant",
    content: "",
  });
});

test("the finish reason is tool_calls only when a call was made and the model stopped", () => {
  expect(finishReasonOf("stop", { callCount: 1, complete: false })).toBe("tool_calls");
  expect(finishReasonOf("stop", { callCount: 0, complete: false })).toBe("stop");
  expect(finishReasonOf("length", { callCount: 2, complete: false })).toBe("length");
  expect(finishReasonOf("length", { callCount: 1, complete: true })).toBe("tool_calls");
});
