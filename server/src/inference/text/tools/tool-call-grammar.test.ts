import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tool, ToolRequest } from "./definitions.ts";
import { AssembledMessage } from "./response-message.ts";
import { type GrammarExpressionBuilder, MAX_PARALLEL_CALLS, toolCallGrammar } from "./tool-call-grammar.ts";
import { ToolCallStreamParser } from "./tool-call-stream-parser.ts";
import { syntaxesOf, TOOL_FORMATS } from "./tool-call-syntax.ts";

const tools: Tool[] = ["get_weather", "get", "get-time"].map((name) => ({
  name,
  description: null,
  parameters: { type: "object", properties: {}, title: name },
  strict: false,
}));

function request(change: Partial<ToolRequest> = {}): ToolRequest {
  return { tools, choice: { kind: "any" }, parallel: true, ...change };
}

/** The parts of GBNF that `toolCallGrammar` uses, as generators of random texts. */
class Sampler implements GrammarExpressionBuilder {
  readonly rules: string[] = [];
  readonly #draw: (below: number) => number;

  constructor(draw: (below: number) => number) {
    this.#draw = draw;
  }

  literal(text: string): string {
    return JSON.stringify(text);
  }

  schema(schema: unknown): string {
    const name = (schema as { title: string }).title;
    return `( ${["{}", `{"of": "${name}", "tag": "</tool_call>"}`].map((t) => this.literal(t)).join(" | ")} )`;
  }

  rule(expression: string): string {
    return `rule-${this.rules.push(expression) - 1}`;
  }

  /** One text of the language. */
  sample(expression: string): string {
    const tokens = expression.match(/"(?:[^"\\]|\\.)*"|rule-\d+|\{0,\d+\}|[()|]/g) ?? [];
    expect(tokens.join("").replaceAll(" ", "")).toBe(
      expression.replace(/ (?=(?:[^"]*"[^"]*")*[^"]*$)/g, "").replaceAll(" ", ""),
    );
    let at = 0;
    const alternatives = (): string => {
      const options = [sequence()];
      while (tokens[at] === "|") {
        at++;
        options.push(sequence());
      }
      return options[this.#draw(options.length)]!;
    };
    const item = (): string => {
      const token = tokens[at++]!;
      if (token === "(") {
        const text = alternatives();
        expect(tokens[at++]).toBe(")");
        return text;
      }
      if (token.startsWith("rule-")) return this.sample(this.rules[Number(token.slice(5))]!);
      return JSON.parse(token) as string;
    };
    const sequence = (): string => {
      let text = "";
      while (at < tokens.length && tokens[at] !== "|" && tokens[at] !== ")") {
        const from = at;
        const first = item();
        const count = /^\{0,(\d+)\}$/.exec(tokens[at] ?? "");
        if (count === null) {
          text += first;
          continue;
        }
        const times = this.#draw(Number(count[1]) + 1);
        const after = at + 1;
        for (let i = 0; i < times; i++) {
          at = from;
          text += item();
        }
        at = after;
      }
      return text;
    };
    return alternatives();
  }
}

function sampled(
  format: (typeof TOOL_FORMATS)[number],
  draws: readonly number[],
  r: ToolRequest,
  afterBegin = false,
) {
  let next = 0;
  const sampler = new Sampler((below) => (draws[next++ % draws.length] ?? 0) % below);
  return sampler.sample(toolCallGrammar(format.syntax, r, sampler, { afterBegin }));
}

function parse(format: (typeof TOOL_FORMATS)[number], text: string, constrained: boolean): AssembledMessage {
  const parser = new ToolCallStreamParser({
    syntaxes: syntaxesOf(format),
    names: tools.map((tool) => tool.name),
    constrained,
  });
  const response = new AssembledMessage();
  for (const ch of text) response.add(parser.push(ch));
  response.add(parser.flush());
  return response;
}

describe.each(TOOL_FORMATS)("$name", (format) => {
  const draws = fc.array(fc.nat(), { minLength: 1, maxLength: 30 });

  test("every text that the grammar allows consists of calls of allowed tools", () => {
    fc.assert(
      fc.property(draws, fc.boolean(), (numbers, constrained) => {
        const { content, toolCalls: calls } = parse(format, sampled(format, numbers, request()), constrained);
        expect(content).toBe("");
        expect(calls.length).toBeGreaterThanOrEqual(1);
        expect(calls.length).toBeLessThanOrEqual(MAX_PARALLEL_CALLS);
        for (const call of calls) expect([undefined, call.name]).toContain(JSON.parse(call.arguments).of);
      }),
    );
  });

  test("the grammar allows exactly one call when parallel calls are off or a tool is named", () => {
    fc.assert(
      fc.property(draws, (numbers) => {
        expect(
          parse(format, sampled(format, numbers, request({ parallel: false })), true).toolCalls,
        ).toHaveLength(1);
        const named = request({ choice: { kind: "named", name: "get" } });
        expect(
          parse(format, sampled(format, numbers, named), true).toolCalls.map((call) => call.name),
        ).toEqual(["get"]);
      }),
    );
  });

  test("the grammar can start after the beginning of a call that the model made itself", () => {
    fc.assert(
      fc.property(draws, (numbers) => {
        const text = format.syntax.begin + sampled(format, numbers, request(), true);
        const { content, toolCalls: calls } = parse(format, `Well. ${text}`, false);
        expect(content).toBe("Well. ");
        expect(calls.length).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
