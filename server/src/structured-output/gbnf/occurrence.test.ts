import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSchema } from "../json-schema/compile-schema.ts";
import { parseGbnf } from "./grammar.ts";
import { mayContain } from "./occurrence.ts";
import { GrammarError } from "./parser.ts";
import { sample, seededRandom } from "./testing.ts";

const rulesOf = (grammar: string) => parseGbnf(grammar).lowered;

describe("mayContain", () => {
  test.each([
    ['root ::= "abc" | "xab"', "bc", true],
    ['root ::= "abc" | "xab"', "xabc", false],
    ['root ::= "a" root "b" | "c"', "acb", true],
    ['root ::= "a" root "b" | "c"', "ba", false],
    ['root ::= x x\nx ::= "aab" | "a"', "abaab", true],
    ['root ::= x x\nx ::= "aab" | "a"', "bb", false],
    ['root ::= "aa"* "ab"', "aaaab", true],
    ["root ::= [^b]{0,200}", "ab", false],
    ["root ::= [^b]{0,200}", "ac", true],
  ])("of %j and %j is %s", (grammar, text, expected) => {
    expect(mayContain(rulesOf(grammar), text)).toBe(expected);
  });

  test("tells that JSON contains no line end, and that a string may contain any word", () => {
    const json = rulesOf(compileSchema({ type: "object" }).grammar);
    expect(mayContain(json, "\nObservation:")).toBe(false);
    expect(mayContain(json, "\n\n")).toBe(false);
    expect(mayContain(json, "Observation:")).toBe(true);
    expect(mayContain(rulesOf(compileSchema({ enum: ["a", "b"] }).grammar), "Observation:")).toBe(false);
  });

  test("is true of every text inside a random output", () => {
    const item = fc.constantFrom('"a"', '"bc"', "[a-c]", "y", '("a" | "b")', '"a"*', "[b-c]{1,2}", "y?");
    const body = fc.array(item, { minLength: 1, maxLength: 4 }).map((items) => items.join(" "));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
    let absent = 0;
    fc.assert(
      fc.property(body, fc.array(text, { minLength: 3, maxLength: 6 }), fc.nat(), (x, texts, seed) => {
        let rules: ReturnType<typeof rulesOf>;
        try {
          rules = rulesOf(`root ::= x y | "c" root\nx ::= ${x}\ny ::= "b" "a"?`);
        } catch (error) {
          expect(error).toBeInstanceOf(GrammarError);
          return;
        }
        const random = seededRandom(seed);
        const outputs = Array.from({ length: 20 }, () => sample(rules, random, 10));
        for (const one of texts) {
          if (mayContain(rules, one)) continue;
          absent++;
          for (const output of outputs) expect(output).not.toContain(one);
        }
      }),
    );
    expect(absent).toBeGreaterThan(20);
  });
});
