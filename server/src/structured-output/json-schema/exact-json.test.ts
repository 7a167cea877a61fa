import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber } from "./decimal.ts";
import { memberNames, parseExactJson } from "./exact-json.ts";
import type { Json, JsonObject } from "./schema-document.ts";

/** The value with the nearest doubles, as JSON.parse gives it. */
function rounded(value: Json): Json {
  if (value instanceof ExactNumber) return Number(value);
  if (Array.isArray(value)) return value.map(rounded);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rounded(item as Json)]));
}

test("exact parsing gives the value of JSON.parse but for the numbers that no double holds", () => {
  const number = fc.constantFrom(
    "9007199254740993",
    "-0.12345678901234567891",
    "1e23",
    "12345678901234567E2",
  );
  const value = fc.jsonValue({ maxDepth: 4 });
  const spaced = fc.constantFrom(undefined, 1, "\t\n");
  fc.assert(
    fc.property(value, number, spaced, (json, exact, indent) => {
      // Numbers beyond 16 digits, and names that are whole numbers, make the exact parser take over.
      const text = JSON.stringify({ a: json, "7": "exact", b: json }, null, indent).replace(
        '"exact"',
        () => exact,
      );
      expect(rounded(parseExactJson(text, 100))).toEqual(JSON.parse(text));
    }),
  );
});

test("exact parsing keeps numbers beyond doubles and the order of names", () => {
  const value = parseExactJson('{"b":1,"2":[9007199254740993,1e2,0.1,1e999],"\\u0031":{"__proto__":5}}', 100);
  expect(memberNames(value as JsonObject)).toEqual(["b", "2", "1"]);
  const { 2: list, 1: inner } = value as { 2: Json[]; 1: JsonObject };
  expect(list[0]).toMatchObject({
    text: "9007199254740993",
    decimal: { units: 9007199254740993n, scale: 0 },
  });
  expect(list.slice(1)).toEqual([100, 0.1, Number.POSITIVE_INFINITY]);
  expect(Object.hasOwn(inner, "__proto__")).toBe(true);
});

test("exact parsing survives any nesting", () => {
  const deep = `${"[".repeat(100_000)}9007199254740993${"]".repeat(100_000)}`;
  expect(parseExactJson(deep, 100)).toBeInstanceOf(Array);
});
