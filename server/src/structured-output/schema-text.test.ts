import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addKeyword, parseSchema, rememberSchemaTexts, schemaText } from "./schema-text.ts";

function remembered(text: string): object {
  const body = JSON.parse(text) as object;
  rememberSchemaTexts(body, text);
  return body;
}

function at(value: unknown, ...path: (string | number)[]): unknown {
  return path.reduce((part, key) => (part as Record<string | number, unknown>)[key], value);
}

describe("the text of a schema", () => {
  const schema = '{ "properties": {"b": {"const": 9007199254740993}, "2": {}, "1": {}} }';

  test("is the client's own, wherever in a request the schema stands", () => {
    const messages = '"messages":[{"content":"a \\"quoted\\\\\\" [{"}],"n":[[[{"a":"]"}]]]';
    const asFormat = remembered(
      `{${messages},"response_format": {"json_schema":{"schema":${schema},"strict":true}}}`,
    );
    expect(schemaText(at(asFormat, "response_format", "json_schema", "schema"))).toBe(schema);
    const bare = remembered(`{"response_format":{"type":"json_object","schema":${schema}},${messages}}`);
    expect(schemaText(at(bare, "response_format", "schema"))).toBe(schema);
    const tools = remembered(
      `{${messages},"tools":[{"function":{"parameters":{}}},{"function":{"parameters":${schema}}}]}`,
    );
    expect(schemaText(at(tools, "tools", 0, "function", "parameters"))).toBe("{}");
    expect(schemaText(at(tools, "tools", 1, "function", "parameters"))).toBe(schema);
    const extra = remembered(`{"extra_body":{"response_format":{"schema":${schema}}},"response_format":{}}`);
    expect(schemaText(at(extra, "extra_body", "response_format", "schema"))).toBe(schema);
    const ofText = parseSchema(` {"name":"x","schema":${schema}}`) as { schema: object };
    expect(schemaText(ofText.schema)).toBe(schema);
  });

  test("is that of the last member of a repeated name", () => {
    const body = remembered(
      `{"response_format":{"schema":{"const":[1234567890123456789]},"schema":${schema}}}`,
    );
    expect(schemaText(at(body, "response_format", "schema"))).toBe(schema);
  });

  test("keeps the schema's text when a keyword is added", () => {
    const parsed = parseSchema(schema) as object;
    const typed = addKeyword(parsed, "type", "object");
    expect(typed).toEqual({ type: "object", ...parsed });
    expect(schemaText(typed)).toBe(`{"type":"object",${schema.slice(2)}`);
    expect(schemaText(addKeyword(parseSchema("{ }") as object, "type", "object"))).toBe('{"type":"object"}');
  });

  test("means the same as the parsed schema, whatever else the request holds", () => {
    const value = fc.jsonValue({ maxDepth: 5 });
    const body = fc.record({
      n: value,
      response_format: fc.record({ "1": value, schema: value }),
      tools: fc.array(fc.record({ "2": value, function: fc.record({ parameters: value }) }), {
        maxLength: 3,
      }),
    });
    fc.assert(
      fc.property(body, fc.constantFrom(undefined, 2), (json, indent) => {
        const parsed = remembered(JSON.stringify(json, null, indent));
        const tools = json.tools.map((_, i) => at(parsed, "tools", i, "function", "parameters"));
        for (const part of [at(parsed, "response_format", "schema"), ...tools]) {
          expect(JSON.parse(schemaText(part))).toEqual(part);
        }
      }),
    );
  });
});
