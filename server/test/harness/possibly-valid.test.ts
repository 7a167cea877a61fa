import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { possiblyValid } from "./possibly-valid.ts";

function allows(schema: object, unenforced: readonly string[], value: unknown): boolean {
  return new Ajv2020({ strict: false }).compile(possiblyValid(schema, unenforced) as object)(value);
}

const either = { oneOf: [{ type: "string", not: { enum: ["a", "b"] } }, { enum: ["a", 1] }] };

test("a schema in which every keyword is enforced accepts and refuses exactly as before", () => {
  for (const [value, valid] of [
    ["a", true],
    ["b", false],
    ["c", true],
    [1, true],
    [2, false],
  ] as const) {
    expect(allows(either, [], value), `${value}`).toBe(valid);
  }
});

test("an unverified keyword may be met by one value and broken by another", () => {
  const schema = { type: "array", items: either };
  expect(allows(schema, ["/items/oneOf/0/not"], ["a", "b", "c", 1])).toBe(true);
  expect(allows(schema, ["/items/oneOf/0/not"], [2])).toBe(false);
});

test("oneOf refuses a value that surely fits two of its options", () => {
  const both = { oneOf: [{ pattern: "x" }, { type: "number" }] };
  expect(allows(both, ["/oneOf/0/pattern"], 1)).toBe(false);
  expect(allows(both, ["/oneOf/0/pattern"], "a")).toBe(true);
  expect(allows(both, ["/oneOf"], 1)).toBe(true);
});

test("a reference under not stays negated", () => {
  const schema = { $defs: { x: { pattern: "x" } }, not: { $ref: "#/$defs/x" }, type: "string" };
  expect(allows(schema, ["/$defs/x/pattern"], "x")).toBe(true);
  expect(allows(schema, [], "x")).toBe(false);
});
