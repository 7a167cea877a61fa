import fc from "fast-check";
import { expect, test } from "vitest";
import type { ToolCallFragment } from "../../../engine/generation.ts";
import type { ContentPart } from "../output-parser.ts";
import { PreParsedOutput } from "./pre-parsed-output.ts";
import { AssembledMessage } from "./response-message.ts";

type Piece = { text: string; as?: "reasoning" | ToolCallFragment };

function read(reader: PreParsedOutput, pieces: readonly Piece[]): ContentPart[] {
  const parts = pieces.flatMap(({ text, as }) =>
    as === undefined ? reader.push(text) : reader.pushParsed(text, as),
  );
  return [...parts, ...reader.flush()];
}

function assembled(parts: readonly ContentPart[]) {
  const response = new AssembledMessage();
  let reasoning = "";
  for (const part of parts) {
    if (part.type === "reasoning") reasoning += part.text;
    else response.add([part]);
  }
  return {
    reasoning,
    content: response.content,
    calls: response.toolCalls.map(({ id: _, ...call }) => call),
  };
}

const first = (name: string, text = "", call = 0): Piece => ({
  text,
  as: { index: call, id: `id-${call}`, name },
});
const next = (text: string, call = 0): Piece => ({ text, as: { index: call, id: null, name: null } });

test("the joined output is the same whatever pieces it comes in", () => {
  const text = fc.string({ unit: "grapheme" });
  const call = fc.record({ name: fc.constantFrom("a", "b"), arguments: text });
  /** The text in pieces, one of them at least. */
  const cut = (whole: string, at: readonly number[]): string[] => {
    const ends = [...new Set(at.map((n) => n % (whole.length + 1)))].sort((a, b) => a - b);
    return [...ends, whole.length].map((end, i) => whole.slice(i === 0 ? 0 : ends[i - 1], end));
  };
  fc.assert(
    fc.property(
      fc.record({ reasoning: text, content: text, calls: fc.array(call, { maxLength: 3 }) }),
      fc.array(fc.nat(), { maxLength: 6 }),
      fc.boolean(),
      (response, at, nameLater) => {
        const pieces: Piece[] = [
          ...cut(response.reasoning, at).map((text): Piece => ({ text, as: "reasoning" })),
          ...cut(response.content, at).map((text) => ({ text })),
          ...response.calls.flatMap(({ name, arguments: whole }, i) => {
            const texts = cut(whole, at);
            return texts.map((piece, j) =>
              j === (nameLater ? texts.length - 1 : 0) ? first(name, piece, i) : next(piece, i),
            );
          }),
        ];
        const reader = new PreParsedOutput({ names: ["a", "b"], parallel: true, isForced: false });
        expect(assembled(read(reader, pieces))).toEqual(response);
        expect(reader.finishReason("stop")).toBe(response.calls.length > 0 ? "tool_calls" : "stop");
        expect(reader.finishReason("length")).toBe("length");
      },
    ),
  );
});

test("a call keeps the engine's id, or gets a new one when the engine gives none", () => {
  const [start] = read(new PreParsedOutput({ names: ["a"], parallel: true, isForced: false }), [
    first("a", "{}"),
  ]);
  expect(start).toMatchObject({ type: "call-start", id: "id-0", index: 0 });
  const [made] = read(new PreParsedOutput({ names: ["a"], parallel: true, isForced: false }), [
    { text: "{}", as: { index: 0, id: null, name: "a" } },
  ]);
  expect(made).toMatchObject({ id: expect.stringMatching(/^call_\w{24}$/) });
});

test.each([null, { names: ["a"], parallel: true, isForced: false }])(
  "a call of a function that was not offered is content",
  (allowedTools) => {
    const reader = new PreParsedOutput(allowedTools);
    const response = assembled(read(reader, [{ text: "Well: " }, first("evil", '{"x"'), next(": 1}")]));
    expect(response).toEqual({
      reasoning: "",
      content: 'Well: {"name": "evil", "arguments": {"x": 1}}',
      calls: [],
    });
    expect(reader.finishReason("stop")).toBe("stop");
  },
);

test("further calls are dropped when only one is allowed", () => {
  const reader = new PreParsedOutput({ names: ["a", "b"], parallel: false, isForced: false });
  const response = assembled(read(reader, [first("a", "{}"), first("b", "{", 1), next("}", 1)]));
  expect(response.calls).toEqual([{ name: "a", arguments: "{}" }]);
  expect(response.content).toBe("");
});
