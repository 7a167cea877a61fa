import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DatasetFormat } from "./row.ts";
import { DatasetValidator, VALIDATION_LIMITS, type ValidationReport } from "./validator.ts";

const user = { role: "user", content: "What is 1+1?" };
const assistant = { role: "assistant", content: "2" };
const chat = { messages: [user, assistant] };

interface Setup {
  format?: DatasetFormat | null;
  limits?: Partial<typeof VALIDATION_LIMITS>;
}

function validate(content: string | Buffer, setup: Setup = {}): ValidationReport {
  const validator = new DatasetValidator({
    format: setup.format ?? null,
    limits: { ...VALIDATION_LIMITS, ...setup.limits },
  });
  validator.beginFile("train.jsonl");
  validator.push(Buffer.from(content as string));
  return validator.finish();
}

/** The fault that is reported for a row among valid ones. */
function problemOf(row: unknown, setup: Setup = {}): string | undefined {
  const line = typeof row === "string" ? row : JSON.stringify(row);
  const report = validate(line, { ...setup, limits: { minExamples: 0, ...setup.limits } });
  return report.faults[0]?.problem;
}

function lines(...rows: unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

const call = { id: "call_1", type: "function", function: { name: "add", arguments: '{"a":1}' } };
const calling = { role: "assistant", content: null, tool_calls: [call] };

describe("the validator", () => {
  test("counts a dataset of three chats", () => {
    const report = validate(lines(chat, chat, { messages: [user, assistant, user, assistant] }));
    expect(report).toMatchObject({ faults: [], problem: null, exampleCount: 3, format: "CHAT" });
    expect(report.averageTurnCount).toBeCloseTo(4 / 3);
    expect(report.estimatedTokenCount).toBe(2 * 12 + 24);
  });

  test("ignores CRLF, a byte order mark, blank lines and a missing last newline", () => {
    const text = `\ufeff${JSON.stringify(chat)}\r\n\r\n  \t\r\n${JSON.stringify(chat)}\r\n${JSON.stringify(chat)}`;
    expect(validate(text)).toEqual(validate(lines(chat, chat, chat)));
  });

  test("counts blank lines in line numbers, which start again in each file", () => {
    const validator = new DatasetValidator({ format: null });
    validator.beginFile("a.jsonl");
    validator.push(Buffer.from("\n\nnope\n"));
    validator.beginFile("b.jsonl");
    validator.push(Buffer.from(`${lines(chat)}nope`));
    expect(validator.finish().faults).toEqual([
      { file: "a.jsonl", line: 3, problem: "is not valid JSON" },
      { file: "b.jsonl", line: 2, problem: "is not valid JSON" },
    ]);
  });

  test("refuses two examples and one more than the maximum, and accepts three", () => {
    expect(validate(lines(chat, chat)).problem).toContain("too few examples: 2");
    expect(validate("").problem).toContain("too few examples: 0");
    const limits = { maxExamples: 4 };
    expect(validate(lines(chat, chat, chat, chat), { limits }).problem).toBeNull();
    expect(validate(lines(chat, chat, chat, chat, chat), { limits }).problem).toContain("more than 4");
  });

  test("refuses a line above the size limit by its number, and reads on", () => {
    const long = JSON.stringify({ messages: [user, assistant], note: "x".repeat(1_000) });
    const report = validate(`${lines(chat)}${long}\nnope\n${lines(chat)}`, { limits: { maxLineBytes: 200 } });
    expect(report.faults.map(({ line, problem }) => [line, problem])).toEqual([
      [2, "is longer than 200 bytes"],
      [3, "is not valid JSON"],
    ]);
    expect(report.exampleCount).toBe(2);
  });

  test("accepts a line of exactly the size limit with any line end or byte order mark", () => {
    const line = JSON.stringify(chat);
    const limits = { maxLineBytes: Buffer.byteLength(line), minExamples: 0 };
    for (const text of [line, `${line}\n`, `${line}\r\n`, `\ufeff${line}\r\n`]) {
      expect(validate(text, { limits }).exampleCount).toBe(1);
      expect(validate(text.replace("{", "{ "), { limits }).faults).toHaveLength(1);
    }
  });

  test("stops after twenty faulty lines and reports it", () => {
    const report = validate("nope\n".repeat(1_000));
    expect(report.faults).toHaveLength(20);
    expect(report.isPartial).toBe(true);
    expect(validate("nope\n".repeat(19)).isPartial).toBe(false);
  });

  test("gives the same result for any chunk boundaries", () => {
    const row = fc.oneof(
      fc.constantFrom<string | Buffer>(
        JSON.stringify(chat),
        JSON.stringify({ messages: [user] }),
        JSON.stringify({ messages: [{ ...user, content: "größer 😀" }, assistant] }),
        "",
        "nope",
        "{",
        "\ufeff{}",
        '{"a":1,"a":2}',
        "x".repeat(400),
        Buffer.from([0x22, 0xff, 0xfe, 0x22]),
      ),
      fc.json(),
    );
    const rows = fc.array(fc.tuple(row, fc.constantFrom("\n", "\r\n")), { maxLength: 12 });
    const limits = { ...VALIDATION_LIMITS, maxLineBytes: 300, maxFaults: 4 };
    fc.assert(
      fc.property(rows, fc.boolean(), fc.array(fc.nat(40)), (parts, withMark, sizes) => {
        const pieces = parts.flat().map((part) => Buffer.from(part as string));
        const bytes = Buffer.concat([Buffer.from(withMark ? "\ufeff" : ""), ...pieces]);
        const validator = new DatasetValidator({ format: null, limits });
        validator.beginFile("train.jsonl");
        let from = 0;
        for (const size of sizes) {
          validator.push(bytes.subarray(from, from + size));
          from += size;
        }
        validator.push(bytes.subarray(from));
        expect(validator.finish()).toEqual(validate(bytes, { limits }));
      }),
    );
  });

  test("reports on arbitrary bytes, and describes every fault in a short sentence", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const report = validate(Buffer.from(bytes));
        for (const fault of report.faults) expect(fault.problem.length).toBeLessThan(200);
      }),
    );
  });
});

describe("a line's JSON", () => {
  test.each([
    ["an array", "[1]", "must be a JSON object, not an array"],
    ["a text", '"messages"', "must be a JSON object, not a single value"],
    [
      "an incomplete object",
      '{"messages":',
      "is not complete JSON: a JSONL file holds one object on each line",
    ],
    ["HTML", "<!doctype html>", "is not valid JSON"],
    ["a repeated key", '{"messages":[],"messages":[]}', "has the key messages twice in one object"],
    ["a key repeated by an escape", '{"a":1,"\\u0061":2}', "has the key a twice in one object"],
    ["a repeated key deep inside", '{"a":[{"b":{"c":1,"c":1}}]}', "has the key c twice in one object"],
    ["half a surrogate", '{"a":"\\ud800"}', "holds half of a surrogate pair"],
    ["nesting", `{"a":${"[".repeat(100)}`, "is nested deeper than 100 levels"],
    ["many values", `{"a":[${"1,".repeat(500_001)}1]}`, "holds more than 500000 values"],
  ])("is refused for %s", (_name, line, problem) => {
    expect(problemOf(line)).toBe(problem);
  });

  test("is refused by its line number when it is not UTF-8", () => {
    const bad = Buffer.concat([Buffer.from(lines(chat)), Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a])]);
    expect(validate(bad).faults).toEqual([{ file: "train.jsonl", line: 2, problem: "is not valid UTF-8" }]);
  });

  test("may have the same key in different objects, and braces in strings", () => {
    const messages = [{ role: "user", content: '{"a":1,"a":2} "\\\\" [[[' }, assistant];
    expect(problemOf({ messages, a: { b: 1 }, c: { b: 1 } })).toBeUndefined();
  });

  test("is checked in linear time for many colons or backslashes", () => {
    const line = `{"a":${":".repeat(2_000_000)}"${'\\"'.repeat(1_000_000)}`;
    expect(problemOf(line)).toMatch(/is not/);
  });

  test("is never quoted in an error message", () => {
    const secret = "s3cret-content";
    for (const line of [`{"a": ${secret}}`, secret, `{"messages":"${secret}"}`, `{"prompt":"${secret}"}`]) {
      expect(problemOf(line)).not.toContain("s3cret");
    }
  });

  test("is accepted when JSON.parse accepts it as an object without repeated keys", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), (value) => {
        expect(problemOf({ ...chat, extra: value })).toBeUndefined();
      }),
    );
  });
});

describe("a chat", () => {
  test("may have a system message only as its first message", () => {
    const system = { role: "system", content: "Be brief." };
    expect(problemOf({ messages: [system, user, assistant] })).toBeUndefined();
    expect(problemOf({ messages: [user, system, assistant] })).toBe(
      "messages[1]: a system message must be the first message",
    );
    expect(problemOf({ messages: [system, system, user, assistant] })).toContain("messages[1]: a system");
  });

  test.each([
    ["messages that are not a list", { messages: {} }, "messages must be a list of at least one message"],
    ["an empty list", { messages: [] }, "messages must be a list of at least one message"],
    [
      "a message that is not an object",
      { messages: ["hi"] },
      "messages[0] must be an object with role and content",
    ],
    ["an unknown role", { messages: [{ role: "bot", content: "" }] }, "messages[0].role must be"],
    ["no content", { messages: [{ role: "user" }] }, "messages[0].content is missing"],
    [
      "a number for content",
      { messages: [{ role: "user", content: 1 }] },
      "messages[0].content must be text",
    ],
    ["no user message", { messages: [assistant] }, "messages has no message of the role user"],
    ["an unknown field", { messages: [{ ...user, mood: "gay" }] }, "messages[0].mood is not a field"],
    [
      "a weight of 0.5",
      { messages: [user, { ...assistant, weight: 0.5 }] },
      "messages[1].weight must be 0 or 1",
    ],
    [
      "a weight of a user message",
      { messages: [{ ...user, weight: 1 }] },
      "messages[0].weight belongs to assistant",
    ],
    [
      "tool calls of a user message",
      { messages: [{ ...user, tool_calls: [] }] },
      "messages[0].tool_calls belongs to assistant",
    ],
  ])("is refused by its path for %s", (_name, row, problem) => {
    expect(problemOf(row)).toContain(problem);
  });

  test("may have the fields of assistant responses when they are empty", () => {
    const echoed = {
      ...assistant,
      refusal: null,
      audio: null,
      annotations: [],
      function_call: null,
      weight: 1,
    };
    expect(problemOf({ messages: [user, echoed] })).toBeUndefined();
    expect(problemOf({ messages: [user, { ...assistant, refusal: "no" }] })).toContain("messages[1].refusal");
  });

  test("may have fields of any shape for evaluators", () => {
    expect(problemOf({ ...chat, ground_truth: 5, meta: { a: [1, null] } })).toBeUndefined();
  });

  test("may have text parts in every role, and media parts in user messages only", () => {
    const text = { type: "text", text: "hi" };
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
    expect(problemOf({ messages: [{ role: "user", content: [text, image] }, assistant] })).toBeUndefined();
    const answer = { role: "assistant", content: [image] };
    expect(problemOf({ messages: [user, answer] })).toContain("messages[1].content[0]: only user messages");
    for (const part of [{ type: "smell" }, { type: "text" }, { type: "image_url", image_url: "x" }, {}, 1]) {
      const messages = [{ role: "user", content: [part] }, assistant];
      expect(problemOf({ messages })).toContain("messages[0].content[0]");
    }
  });
});

describe("tool use in a chat", () => {
  const result = { role: "tool", tool_call_id: "call_1", content: "2" };
  const tools = [{ type: "function", function: { name: "add", parameters: { type: "object" } } }];

  test("is accepted when every result answers a call, by id or by order", () => {
    expect(problemOf({ messages: [user, calling, result, assistant], tools })).toBeUndefined();
    const unnamed = { role: "tool", content: "2" };
    expect(problemOf({ messages: [user, calling, unnamed, assistant] })).toBeUndefined();
    expect(problemOf({ messages: [user, calling, unnamed, unnamed] })).toContain(
      "messages[3] answers no tool call",
    );
  });

  test.each([
    ["a result without a call", { messages: [user, result] }, "messages[1] answers no tool call"],
    [
      "a result of another call",
      { messages: [user, calling, { ...result, tool_call_id: "x" }] },
      "messages[2]",
    ],
    ["arguments that are not JSON", withCall({ name: "add", arguments: "{" }), ".function.arguments must be"],
    [
      "arguments that are not an object",
      withCall({ name: "add", arguments: "[1]" }),
      ".function.arguments must be",
    ],
    ["a call without a name", withCall({ arguments: "{}" }), "messages[1].tool_calls[0].function.name"],
    ["tools that are not a list", { ...chat, tools: {} }, "tools must be a list"],
    ["a tool without a function", { ...chat, tools: [{ type: "function" }] }, "tools[0] must be"],
  ])("is refused by its path for %s", (_name, row, problem) => {
    expect(problemOf(row)).toContain(problem);
  });

  function withCall(fn: object): object {
    return { messages: [user, { ...calling, tool_calls: [{ ...call, function: fn }] }] };
  }
});

describe("the format of a dataset", () => {
  const completion = { prompt: "Say hi.", completion: "hi" };
  const preference = {
    input: { messages: [user] },
    preferred_output: [assistant],
    non_preferred_output: [{ role: "assistant", content: "3" }],
  };
  const request = { custom_id: "a", body: { messages: [user], max_tokens: 5 } };

  test.each<[string, object, DatasetFormat]>([
    ["chats", chat, "CHAT"],
    ["chats without an answer", { messages: [user] }, "RL"],
    ["chats whose answers have no weight", { messages: [user, { ...assistant, weight: 0 }] }, "RL"],
    ["completions", completion, "COMPLETION"],
    ["preference pairs", preference, "CHAT"],
    ["batches of chat requests", request, "CHAT"],
    ["batches of prompts", { custom_id: "a", body: { prompt: "hi" } }, "COMPLETION"],
  ])("is recognised from %s", (_name, row, format) => {
    expect(validate(lines(row, row, row))).toMatchObject({ faults: [], problem: null, format });
  });

  test("is decided by the first row when none is declared", () => {
    const mixed = validate(lines(chat, completion, preference, request, { messages: [user] }, chat));
    expect(mixed.faults.map(({ line }) => line)).toEqual([2, 3, 4, 5]);
    expect(mixed.faults[1]!.problem).toBe("is a preference row, but the rows before it are chat rows");
    expect(mixed.faults[3]!.problem).toContain("no assistant message to learn from");
    expect(mixed.exampleCount).toBe(2);
  });

  test("may be RL for a mix of prompts with and without answers", () => {
    expect(validate(lines({ messages: [user] }, chat, chat))).toMatchObject({ faults: [], format: "RL" });
    expect(validate(lines(chat, { messages: [user] }, chat), { format: "RL" })).toMatchObject({
      faults: [],
      format: "RL",
    });
  });

  test("is not changed by rows that contradict the declared one, which are refused", () => {
    const report = validate(lines(completion, chat, chat, chat), { format: "CHAT" });
    expect(report.faults).toEqual([
      {
        file: "train.jsonl",
        line: 1,
        problem: "is a completion row, which a dataset of the format CHAT can't hold",
      },
    ]);
    expect(validate(lines({ messages: [user] }), { format: "CHAT" }).faults[0]!.problem).toContain(
      "to learn from",
    );
    expect(validate(lines(preference), { format: "RL" }).faults).toHaveLength(1);
  });

  test.each([
    ["no completion", { prompt: "a" }, "completion must be text"],
    ["an empty completion", { prompt: "a", completion: "" }, "completion must be text"],
    ["no prompt", { completion: "a" }, "prompt must be text"],
    ["no input", { ...preference, input: undefined }, "input must be an object"],
    ["no second output", { ...preference, non_preferred_output: undefined }, "non_preferred_output must be"],
    [
      "an output of two messages",
      { ...preference, preferred_output: [assistant, assistant] },
      "preferred_output",
    ],
    [
      "an input that ends with an assistant message",
      { ...preference, input: chat },
      "input.messages must not end with an assistant",
    ],
    ["a request without an id", { body: request.body }, "custom_id must be text"],
    ["a request without a prompt", { custom_id: "a", body: {} }, "body must have messages"],
    ["no known fields", { text: "a" }, "has neither messages, nor"],
  ])("is not taken from a row with %s, which is refused", (_name, row, problem) => {
    expect(problemOf(row)).toContain(problem);
  });
});
