import fc from "fast-check";
import { expect, test } from "vitest";
import { ModelFileError } from "./errors.ts";
import { parseJsonObject } from "./json.ts";

const parse = (text: string) => parseJsonObject("x.json", Buffer.from(text));

test("valid JSON without repeated keys is parsed like JSON.parse", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
      const read = parse(JSON.stringify({ value })).raw("value");
      expect(read).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("a repeated key is refused at any depth, also when it is escaped differently", () => {
  for (const text of ['{"a":1,"a":2}', '{"b":[{"a":{},"\\u0061" :2}]}', '{"x\\"":1,"y":"{","x\\"":2}']) {
    expect(() => parse(text)).toThrow(/^x\.json: has the key .* twice\.$/);
  }
});

test("equal keys of different objects and strings that look like keys are accepted", () => {
  expect(() => parse('{"a":{"a":1},"b":["a","a",{"a":"\\"a\\":"}]}')).not.toThrow();
});

test("text that is not a JSON object is refused with the file's name", () => {
  for (const text of [
    "",
    "[]",
    "null",
    '"a"',
    "{",
    '{"a":}',
    "<html>",
    `{"a":${"[".repeat(100)}${"]".repeat(100)}}`,
  ]) {
    expect(() => parse(text)).toThrow(ModelFileError);
  }
  expect(() => parseJsonObject("x.json", Buffer.from([0x7b, 0xff, 0x7d]))).toThrow(
    "x.json: is not UTF-8 text.",
  );
});

test("a file with too many parts is refused before it is parsed", () => {
  for (const part of ["{}", "[]", '{"a":0}']) {
    expect(() => parse(`{"a":[${`${part},`.repeat(2_000_000)}0]}`)).toThrow(
      "x.json: has more than 2000000 parts.",
    );
  }
});

test("a field of the wrong type is refused by its name and its path", () => {
  const json = parse('{"a":{"size":1.5,"__proto__":1},"list":[1,"x"],"none":null}');
  expect(() => json.object("a").integer("size", 0, 9)).toThrow(
    "x.json: a.size must be an integer between 0 and 9, inclusive.",
  );
  expect(() => json.object("a").text("toString")).toThrow("a.toString is missing.");
  expect(() => json.strings("list")).toThrow("list must be a list of strings.");
  expect(json.optionalText("none")).toBeUndefined();
});
