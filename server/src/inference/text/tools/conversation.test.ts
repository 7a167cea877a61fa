import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { describe, expect, test } from "vitest";
import type { AppError } from "../../../lib/errors.ts";
import { normalizeConversation, type RequestMessage, toolMessageFields } from "./conversation.ts";

const call = (name: string, id?: string, args: unknown = "{}") => ({
  ...(id === undefined ? {} : { id }),
  function: { name, arguments: args as string },
});

function refused(messages: readonly RequestMessage[]): string | null {
  try {
    normalizeConversation(messages);
  } catch (error) {
    expect((error as AppError).code).toBe("BAD_REQUEST");
    return (error as AppError).param;
  }
  return "nothing refused";
}

describe("a tool result is matched with its call", () => {
  test("by id, in any order", () => {
    const messages = normalizeConversation([
      { role: "user", content: "q" },
      { role: "assistant", content: null, tool_calls: [call("a", "1"), call("b", "2")] },
      { role: "tool", content: "of b", tool_call_id: "2" },
      { role: "tool", content: "of a", tool_call_id: "1" },
    ]);
    expect(messages.slice(2).map((message) => [message.name, message.toolCallId])).toEqual([
      ["b", "2"],
      ["a", "1"],
    ]);
    expect(messages[1]).toEqual({
      role: "assistant",
      content: "",
      toolCalls: [
        { id: "1", name: "a", arguments: "{}" },
        { id: "2", name: "b", arguments: "{}" },
      ],
    });
  });

  test("in the order of the calls when it has no id, as in the reference's examples", () => {
    const messages = normalizeConversation([
      { role: "assistant", content: "", tool_calls: [call("a"), call("b"), call("a", "x")] },
      { role: "tool", content: "1" },
      { role: "tool", content: "2", tool_call_id: "x" },
      { role: "tool", content: "3", tool_call_id: null },
    ]);
    expect(messages.slice(1).map((message) => message.name)).toEqual(["a", "a", "b"]);
    expect(new Set(messages.slice(1).map((message) => message.toolCallId)).size).toBe(3);
  });

  test("by name when it has no id, also in the older forms", () => {
    const messages = normalizeConversation([
      { role: "assistant", content: null, function_call: { name: "f", arguments: { a: 1 } } },
      { role: "function", name: "f", content: null },
      { role: "function", name: "g", content: "alone" },
      { role: "tool", name: "h", content: "alone" },
    ]);
    expect(messages[0]?.toolCalls?.[0]).toMatchObject({ name: "f", arguments: '{"a":1}' });
    expect(messages[1]).toEqual({
      role: "tool",
      content: "",
      name: "f",
      toolCallId: messages[0]?.toolCalls?.[0]?.id,
    });
    expect(messages[2]).toEqual({ role: "tool", content: "alone", name: "g" });
    expect(messages[3]?.name).toBe("h");
  });

  test("or refused when no call matches", () => {
    const assistantMessage: RequestMessage = {
      role: "assistant",
      content: null,
      tool_calls: [call("a", "1")],
    };
    expect(refused([{ role: "tool", content: "r" }])).toBe("messages[0].tool_call_id");
    expect(refused([assistantMessage, { role: "tool", content: "r", tool_call_id: "2" }])).toBe(
      "messages[1].tool_call_id",
    );
    expect(refused([{ role: "tool", content: "r", tool_call_id: "1" }, assistantMessage])).toBe(
      "messages[0].tool_call_id",
    );
    expect(refused([assistantMessage, { role: "tool", content: "r" }, { role: "tool", content: "r" }])).toBe(
      "messages[2].tool_call_id",
    );
    expect(refused([{ role: "function", content: "r" }])).toBe("messages[0].name");
  });
});

describe("a conversation", () => {
  test("keeps plain messages unchanged and converts developer to system", () => {
    expect(
      normalizeConversation([
        { role: "developer", content: "d" },
        { role: "user", content: "u", name: "ann", tool_calls: null },
        { role: "assistant", content: "a", reasoning_content: "r", tool_calls: [] },
      ]),
    ).toEqual([
      { role: "system", content: "d" },
      { role: "user", content: "u", name: "ann" },
      { role: "assistant", content: "a", reasoning: "r" },
    ]);
  });

  test("may lack content only beside calls, reasoning, or in an older function result", () => {
    for (const role of ["system", "user", "assistant", "tool"]) {
      expect(refused([{ role, content: null }])).toBe("messages[0].content");
      expect(refused([{ role }])).toBe("messages[0].content");
    }
    expect(normalizeConversation([{ role: "assistant", reasoning_content: "r" }])[0]?.content).toBe("");
  });

  test("is refused when a message has a field of another role", () => {
    expect(refused([{ role: "user", content: "", tool_calls: [call("a")] }])).toBe("messages[0].tool_calls");
    expect(refused([{ role: "user", content: "", function_call: { name: "a" } }])).toBe(
      "messages[0].function_call",
    );
    expect(refused([{ role: "user", content: "", tool_call_id: "1" }])).toBe("messages[0].tool_call_id");
    expect(refused([{ role: "user", content: "", reasoning_content: "x" }])).toBe(
      "messages[0].reasoning_content",
    );
    expect(
      refused([{ role: "assistant", content: "", tool_calls: [call("a")], function_call: { name: "a" } }]),
    ).toBe("messages[0].function_call");
  });

  test("takes arguments as text or as an object, and gives the JSON text of an object", () => {
    const args = (given: unknown) =>
      normalizeConversation([{ role: "assistant", tool_calls: [call("a", "1", given)] }])[0]?.toolCalls?.[0]
        ?.arguments;
    expect(args('{"a": 1.0}')).toBe('{"a": 1.0}');
    expect(args({ a: [1] })).toBe('{"a":[1]}');
    expect(args("")).toBe("{}");
    expect(args(null)).toBe("{}");
    for (const bad of ["{", "[]", "7", '"x"', "null"]) {
      expect(refused([{ role: "assistant", tool_calls: [call("a", "1", bad)] }])).toBe(
        "messages[0].tool_calls[0].function.arguments",
      );
    }
    const deep = `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`;
    expect(refused([{ role: "assistant", tool_calls: [call("a", "1", deep)] }])).toBe(
      "messages[0].tool_calls[0].function.arguments",
    );
  });
});

test("the schema accepts a response that an SDK sends back, and refuses malformed calls", () => {
  const check = Compile(Type.Object(toolMessageFields, { additionalProperties: false }));
  const echoed = { index: 0, id: "call_1", type: "function", function: { name: "a", arguments: "{}" } };
  expect(check.Check({ tool_calls: [echoed], function_call: null, tool_call_id: null })).toBe(true);
  expect(check.Check({ tool_calls: [{ function: { name: "a", arguments: { x: 1 } } }] })).toBe(true);
  for (const bad of [
    {},
    { function: {} },
    { function: { name: "a b" } },
    { function: { name: "a", arguments: 5 } },
    { ...echoed, type: "custom" },
    { ...echoed, id: "" },
  ]) {
    expect(check.Check({ tool_calls: [bad] }), JSON.stringify(bad)).toBe(false);
  }
  expect(check.Check({ tool_calls: Array(200).fill(echoed) })).toBe(false);
});
