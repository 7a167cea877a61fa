import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssembledMessage } from "./response-message.ts";
import { formatToolCalls } from "./tool-call-format.ts";
import {
  type ToolCallEvent,
  ToolCallStreamParser,
  type ToolCallStreamParserOptions,
} from "./tool-call-stream-parser.ts";
import { syntaxesOf, TOOL_FORMATS, type ToolFormat, type ToolFormatName } from "./tool-call-syntax.ts";

const NAMES = ["get_weather", "get_time", "get", "a-b"];

function formatOf(name: ToolFormatName): ToolFormat {
  return TOOL_FORMATS.find((format) => format.name === name)!;
}

function parse(
  name: ToolFormatName,
  pieces: readonly string[],
  options: Partial<ToolCallStreamParserOptions> = {},
): ToolCallEvent[] {
  let ids = 0;
  const parser = new ToolCallStreamParser({
    syntaxes: syntaxesOf(formatOf(name)),
    names: NAMES,
    newId: () => `call_${ids++}`,
    ...options,
  });
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.flush()];
}

/** Joins neighbouring events of one kind, so that the result does not depend on the pieces. */
function joined(events: readonly ToolCallEvent[]): ToolCallEvent[] {
  const result: ToolCallEvent[] = [];
  for (const event of events) {
    const last = result.at(-1);
    if (last?.type === "content" && event.type === "content") last.text += event.text;
    else if (last?.type === "arguments" && event.type === "arguments") last.text += event.text;
    else result.push({ ...event });
  }
  return result;
}

function response(events: readonly ToolCallEvent[]): AssembledMessage {
  const assembled = new AssembledMessage();
  assembled.add(events);
  return assembled;
}

/** The output as text and [name, arguments] pairs. */
function summary(events: readonly ToolCallEvent[]): { content: string; calls: string[][] } {
  const { content, toolCalls: calls } = response(events);
  return { content, calls: calls.map((call) => [call.name, call.arguments]) };
}

function cutAt(text: string, cuts: readonly number[]): string[] {
  const points = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...points].map((from, i) => text.slice(from, points[i] ?? text.length));
}

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value));
const argumentsJson = fc
  .dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
  .map((value) => JSON.stringify(value));
const call = fc.record({ name: fc.constantFrom(...NAMES), arguments: argumentsJson });

/** Fragments of every syntax, as a confused model writes them. */
function soup(format: ToolFormat): fc.Arbitrary<string> {
  const { begin, end } = format.syntax;
  const scraps = [
    begin,
    end,
    begin.slice(0, -1),
    begin.slice(1),
    "<function=",
    "get>",
    "</function>",
    "<",
    "[",
    "]",
    ",",
    ";",
    "{",
    "}",
    " ",
    "\n",
    "text",
    '"name"',
    '"arguments"',
    '"parameters"',
    ": ",
    '"get"',
    '"get_',
    '"none"',
    "{}",
    '{"name": "get", "arguments": {"a": [1, "x"]}}',
    '{"name": "nobody", "arguments": {}}',
    '"\\u00e9"',
    "\\",
    "1e5",
    '{"parameters": {}, "name": "get_time"}',
  ];
  return fc
    .array(
      fc.oneof(
        fc.constantFrom(...scraps),
        call.map((c) => formatToolCalls(format.syntax, [c])),
        json,
      ),
      {
        maxLength: 12,
      },
    )
    .map((parts) => parts.join(""));
}

describe.each(TOOL_FORMATS.map((format) => format.name))("%s", (name) => {
  const format = formatOf(name);

  test("calls in the family's form are parsed with unchanged arguments", () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 4 }), fc.boolean(), (calls, constrained) => {
        const text = formatToolCalls(format.syntax, calls);
        const { content, calls: found } = summary(parse(name, [text], { constrained }));
        expect(content).toBe("");
        expect(found).toEqual(calls.map((c) => [c.name, c.arguments]));
      }),
    );
  });

  test("a text gives the same events at every split point", () => {
    const calls = [
      {
        name: "get_weather",
        arguments: '{"city": "São \\"Paulo\\" </tool_call>", "days": [1, 2.5e3, null]}',
      },
      { name: "get", arguments: "{}" },
    ];
    const text = `${format.syntax.bare ? "" : "Let me see < [ f.\n"}${formatToolCalls(format.syntax, calls)}\n so <tool`;
    for (const constrained of [false, true]) {
      const whole = joined(parse(name, [text], { constrained }));
      expect(summary(whole).calls).toHaveLength(2);
      for (let at = 0; at <= text.length; at++) {
        expect(joined(parse(name, [text.slice(0, at), text.slice(at)], { constrained }))).toEqual(whole);
      }
      expect(joined(parse(name, [...text], { constrained }))).toEqual(whole);
    }
  });

  test("any text gives the same events however it is split into pieces", () => {
    fc.assert(
      fc.property(
        soup(format),
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.boolean(),
        fc.boolean(),
        (text, cuts, a, b) => {
          const options = { constrained: a, parallel: b };
          const whole = joined(parse(name, [text], options));
          expect(joined(parse(name, cutAt(text, cuts), options))).toEqual(whole);
          expect(joined(parse(name, [...text], options))).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("output without a call is passed on unchanged, and calls are well formed", () => {
    fc.assert(
      fc.property(soup(format), (text) => {
        const events = parse(name, [...text]);
        const { content, calls } = summary(events);
        if (calls.length === 0) expect(content).toBe(text);
        for (const [calledName, args] of calls) {
          expect(NAMES).toContain(calledName);
          expect(JSON.parse(args!)).toBeTypeOf("object");
        }
        // Each call: one start, then its arguments, then one end, indexes counting up from 0.
        const marks = events.filter((event) => event.type !== "content").map((e) => `${e.type} ${e.index}`);
        expect(marks).toEqual(
          calls.flatMap((_, i) => [`call-start ${i}`, `arguments ${i}`, `call-end ${i}`]),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("a call of a function that is not among the tools stays content", () => {
    for (const wrong of ["nobody", "get_weathe", "get_weatherr", "GET"]) {
      const text = formatToolCalls(format.syntax, [{ name: wrong, arguments: '{"a": {"b": 1}}' }]);
      for (const constrained of [false, true]) {
        expect(summary(parse(name, [...text], { constrained }))).toEqual({ content: text, calls: [] });
      }
    }
  });

  test("broken arguments stay content", () => {
    const good = formatToolCalls(format.syntax, [{ name: "get", arguments: '{"a": 1}' }]);
    for (const broken of [
      '{"a": 01}',
      '{"a" 1}',
      "{'a': 1}",
      '{"a": 1,}',
      '{"a": "\n"}',
      "[1]",
      "7",
      "tru",
    ]) {
      const text = good.replace('{"a": 1}', broken);
      expect(summary(parse(name, [...text]))).toEqual({ content: text, calls: [] });
    }
  });

  test("only the first call counts when calls may not be parallel", () => {
    const text = formatToolCalls(format.syntax, [
      { name: "get", arguments: "{}" },
      { name: "get_time", arguments: "{}" },
    ]);
    expect(summary(parse(name, [...text, "more"], { parallel: false }))).toEqual({
      content: "",
      calls: [["get", "{}"]],
    });
  });

  test("a constrained call starts with its name, and its arguments follow as they are generated", () => {
    const args = '{"city": "Paris", "days": [1, 2]}';
    const text = formatToolCalls(format.syntax, [{ name: "get_weather", arguments: args }]);
    let ids = 0;
    const parser = new ToolCallStreamParser({
      syntaxes: syntaxesOf(format),
      names: NAMES,
      constrained: true,
      newId: () => `call_${ids++}`,
    });
    const argumentsAt = text.indexOf(args);
    for (let i = 0; i < text.length; i++) {
      const events = parser.push(text[i]!);
      if (i >= argumentsAt && i < argumentsAt + args.length) {
        expect(events[0]).toEqual({ type: "arguments", index: 0, text: text[i] });
      } else {
        expect(events.filter((event) => event.type === "arguments")).toEqual([]);
      }
    }
    expect(parser.callCount).toBe(1);
  });

  test("output that is cut off inside a call stays content, or ends the call that has started", () => {
    const text = formatToolCalls(format.syntax, [{ name: "get_weather", arguments: '{"city": "Paris"}' }]);
    const end = text.indexOf('"Paris"') + 3;
    for (let length = 1; length <= end; length++) {
      const cut = text.slice(0, length);
      expect(summary(parse(name, [cut]))).toEqual({ content: cut, calls: [] });
      const events = parse(name, [cut], { constrained: true });
      const { content, calls } = summary(events);
      expect(content).toBe("");
      if (calls.length > 0) {
        expect('{"city": "Paris"}').toContain(calls[0]![1]);
        expect(events.at(-1)).toEqual({ type: "call-end", index: 0 });
      }
    }
  });
});

describe("the parser", () => {
  test("drops white space around calls and keeps other text", () => {
    const text = '\n<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>\n\n';
    expect(summary(parse("hermes", [text]))).toEqual({ content: "", calls: [["get", "{}"]] });
    expect(summary(parse("hermes", [`Wait.${text}Done.`])).content).toBe("Wait.\n\n\nDone.");
  });

  test("accepts a missing end, another order of members and more white space", () => {
    for (const body of [
      '{"name":"get","arguments":{"a":1}}',
      ' { "arguments" : {"a":1} , "name" : "get" } </tool_call>',
      '\n\n{"id": 5, "type": "function", "name": "get", "parameters": {"a":1}}\n\n</tool_call>\n',
      '{"name": "get", "arguments": "{\\"a\\":1}"}</tool_call>',
    ]) {
      expect(summary(parse("hermes", [`<tool_call>${body}`]))).toEqual({
        content: "",
        calls: [["get", '{"a":1}']],
      });
    }
  });

  test("drops text between a call's JSON and its end, and passes on what follows a call without an end", () => {
    const json = '{"name": "get", "arguments": {}}';
    const calls = [["get", "{}"]];
    for (const junk of ["}", "\n}]\n", " and that is all", ', "id": 3}']) {
      const text = `<tool_call>${json}${junk}</tool_call>`;
      expect(summary(parse("hermes", [text])), junk).toEqual({ content: "", calls });
      expect(summary(parse("hermes", [...text, " Done."])).content, junk).toBe(" Done.");
      expect(summary(parse("hermes", [text, text])).calls, junk).toHaveLength(2);
    }
    expect(summary(parse("hermes", [`<tool_call>${json}\nDone.`]))).toEqual({ content: "\nDone.", calls });
    expect(summary(parse("hermes", [`<tool_call>${json}</tool`]))).toEqual({ content: "", calls });
    expect(summary(parse("hermes", [`<tool_call>${json} ${"so ".repeat(200)}`])).content).toContain("so so");
    expect(summary(parse("hermes", [...`<tool_call>${json}} <tool_call>${json}`])).calls).toHaveLength(2);
    const bare = '{"name": "get", "parameters": {}}';
    expect(summary(parse("llama3-json", [...bare, "}\n"]))).toEqual({ content: "", calls });
  });

  test("gives a call without arguments an empty object", () => {
    expect(summary(parse("hermes", ['<tool_call>{"name":"get"}</tool_call>'])).calls).toEqual([
      ["get", "{}"],
    ]);
    expect(summary(parse("hermes", ['<tool_call>{"name":"get","arguments":null}'])).calls).toEqual([
      ["get", "{}"],
    ]);
  });

  test("takes two values for name or arguments for content", () => {
    for (const body of [
      '{"name":"get","name":"get_time","arguments":{}}',
      '{"name":"get","arguments":{},"parameters":{}}',
    ]) {
      expect(summary(parse("hermes", [`<tool_call>${body}`])).calls).toEqual([]);
    }
  });

  test("accepts the reference's <function=…> form in every family", () => {
    for (const { name } of TOOL_FORMATS) {
      const text = '<function=get_weather>{"city_name": "San Francisco"}</function>';
      expect(summary(parse(name, [text])), name).toEqual({
        content: "",
        calls: [["get_weather", '{"city_name": "San Francisco"}']],
      });
    }
  });

  test("takes a bare JSON object for a call at the start of the output only, and other JSON for content", () => {
    const bare = '{"name": "get", "parameters": {"a": 1}}';
    expect(summary(parse("llama3-json", [bare])).calls).toEqual([["get", '{"a": 1}']]);
    expect(summary(parse("llama3-json", [`${bare}\n${bare};${bare}`])).calls).toHaveLength(3);
    expect(summary(parse("llama3-json", [`So: ${bare}`])).calls).toEqual([]);
    expect(summary(parse("llama3-json", [`So: <|python_tag|>${bare}`])).calls).toHaveLength(1);
    const answer = '{"city": "Paris", "name": "get"} ok';
    expect(summary(parse("llama3-json", [...answer]))).toEqual({ content: answer, calls: [] });
    expect(summary(parse("hermes", [bare])).calls).toEqual([]);
  });

  test("takes a call inside the arguments of a rejected call for a part of its text", () => {
    const inner = '<tool_call>{\\"name\\":\\"get\\",\\"arguments\\":{}}</tool_call>';
    const text = `<tool_call>{"name":"nobody","arguments":{"a":"${inner}"}}</tool_call>`;
    expect(summary(parse("hermes", [text]))).toEqual({ content: text, calls: [] });
  });

  test("rejects a call in a list and keeps the others", () => {
    const text =
      '[TOOL_CALLS][{"name":"nobody","arguments":{}},{"name":"get","arguments":{}},{"name":"get_time","arguments":{}}]';
    expect(summary(parse("mistral", [...text])).calls).toEqual([
      ["get", "{}"],
      ["get_time", "{}"],
    ]);
  });

  test("asks its caller whether a complete call counts", () => {
    const text = '<tool_call>{"name":"get","arguments":{"a":1}}</tool_call>';
    const seen: string[] = [];
    const accept = (name: string, args: string): boolean => {
      seen.push(name, args);
      return false;
    };
    expect(summary(parse("hermes", [text], { accept }))).toEqual({ content: text, calls: [] });
    expect(seen).toEqual(["get", '{"a":1}']);
  });

  test("gives each call a different id of call_ and 24 letters and digits", () => {
    const text = formatToolCalls(formatOf("hermes").syntax, Array(50).fill({ name: "get", arguments: "{}" }));
    const parser = new ToolCallStreamParser({ syntaxes: syntaxesOf(formatOf("hermes")), names: NAMES });
    const { toolCalls: calls } = response([...parser.push(text), ...parser.flush()]);
    expect(new Set(calls.map((c) => c.id)).size).toBe(50);
    for (const { id } of calls) expect(id).toMatch(/^call_[A-Za-z0-9]{24}$/);
  });
});

describe("the parser holds back", () => {
  test("only text that may begin a call", () => {
    const parser = new ToolCallStreamParser({ syntaxes: syntaxesOf(formatOf("hermes")), names: NAMES });
    const sent = (text: string): string => response(parser.push(text)).content;
    expect(sent("\n")).toBe("");
    expect(sent("a")).toBe("\na");
    expect(sent(" <")).toBe(" ");
    expect(sent("b")).toBe("<b");
    expect(sent("<tool_call")).toBe("");
    expect(sent("s>")).toBe("<tool_calls>");
    expect(sent("<<tool_call>")).toBe("<");
    expect(sent(" {")).toBe("");
    expect(sent('"name": "ge')).toBe("");
    expect(sent("o")).toBe('<tool_call> {"name": "geo');
    expect(sent('"}')).toBe('"}');
  });

  test("no plain text, whatever its pieces", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z .,\n]{1,6}$/)), (pieces) => {
        const parser = new ToolCallStreamParser({ syntaxes: syntaxesOf(formatOf("hermes")), names: NAMES });
        let all = "";
        let sent = "";
        for (const piece of pieces) {
          all += piece;
          sent += response(parser.push(piece)).content;
          if (all.trim() !== "") expect(sent).toBe(all);
        }
      }),
    );
  });
});
