import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonObjectScanner } from "./json-object-scanner.ts";

/** Length of the JSON object at the start of the text; null: there is none, or it is incomplete. */
function scan(text: string): number | null {
  const scanner = new JsonObjectScanner();
  for (let i = 0; i < text.length; i++) {
    const state = scanner.step(text[i]!);
    if (state === "broken") return null;
    if (state === "done") return i + 1;
  }
  return null;
}

function isObjectJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const json = fc
  .dictionary(fc.string({ unit: "binary" }), fc.jsonValue())
  .chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 2)));

test("the scanner accepts every JSON object and ends exactly at its end", () => {
  fc.assert(
    fc.property(json, fc.string(), (text, rest) => {
      expect(scan(text + rest)).toBe(text.length);
      expect(scan(text.slice(0, -1))).toBeNull();
    }),
  );
});

test("the scanner agrees with JSON.parse on objects with an error", () => {
  const scrap = fc.constantFrom(
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\",
    "0",
    "1",
    "-",
    ".",
    "e",
    "t",
    "null",
    "\n",
    " ",
    "\u0001",
    "\\u00",
    "x",
    "\u00a0",
  );
  fc.assert(
    fc.property(json, fc.nat(), fc.nat({ max: 2 }), scrap, (text, at, removed, put) => {
      const i = 1 + (at % (text.length - 1));
      const changed = text.slice(0, i) + put + text.slice(i + removed);
      const end = scan(changed);
      if (end === changed.length) expect(isObjectJson(changed)).toBe(true);
      else if (end === null) expect(isObjectJson(changed)).toBe(false);
      else expect(isObjectJson(changed.slice(0, end))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("the scanner tells keys and values of the outermost object apart", () => {
  const text = ' {"k" : {"in": [1]} , "n":-1.5e3,"s":"}"} ';
  const scanner = new JsonObjectScanner();
  let parts = "";
  for (const ch of text.trim()) {
    scanner.step(ch);
    parts += scanner.part[0];
  }
  expect(parts).toBe(
    ["s", "kkk", "sss", "v".repeat(11), "sss", "kkk", "s", "vvvvvv", "s", "kkk", "s", "vvv", "s"].join(""),
  );
});
