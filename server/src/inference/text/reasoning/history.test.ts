import { expect, test } from "vitest";
import type { AppError } from "../../../lib/errors.ts";
import { applyReasoningHistory, checkHistoryRendered, reasoningHistoryVariables } from "./history.ts";

const messages = [
  { role: "user", content: "1" },
  { role: "assistant", content: "2", reasoning: "first" },
  { role: "user", content: "3" },
  { role: "assistant", content: "4", reasoning: " second\n" },
  { role: "tool", content: "5" },
];

const kept = (history: Parameters<typeof applyReasoningHistory>[1]): (string | undefined)[] =>
  applyReasoningHistory(messages, history).map((message) => message.reasoning);

test("each mode keeps the reasoning that it promises", () => {
  expect(kept(null)).toEqual([undefined, "first", undefined, " second\n", undefined]);
  expect(kept("preserved")).toEqual(kept(null));
  expect(kept("interleaved")).toEqual([undefined, undefined, undefined, " second\n", undefined]);
  expect(kept("disabled")).toEqual(Array(5).fill(undefined));
  expect(applyReasoningHistory(messages, "disabled").map((message) => message.content)).toEqual([
    "1",
    "2",
    "3",
    "4",
    "5",
  ]);
});

test("reasoning that the template drops is refused, not lost", () => {
  const dropped = () =>
    checkHistoryRendered("second", applyReasoningHistory(messages, "preserved"), "preserved");
  expect(dropped).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST", param: "reasoning_history" } as AppError),
  );
  checkHistoryRendered(
    "<think>first</think> <think>second</think>",
    applyReasoningHistory(messages, "preserved"),
    "preserved",
  );
  checkHistoryRendered("second", applyReasoningHistory(messages, "interleaved"), "interleaved");
  checkHistoryRendered("", messages, "disabled");
  checkHistoryRendered("", messages, null);
});

test("templates are told to keep all reasoning only when the request asks for it", () => {
  expect(reasoningHistoryVariables("preserved")).toMatchObject({
    preserve_thinking: true,
    clear_thinking: false,
  });
  expect(reasoningHistoryVariables("interleaved")).toEqual({});
  expect(reasoningHistoryVariables(null)).toEqual({});
});
