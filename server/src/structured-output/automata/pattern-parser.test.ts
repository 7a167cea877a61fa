import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { patternAutomaton, runAutomaton } from "./nfa.ts";
import { parsePattern, patternSyntax } from "./pattern-parser.ts";

/** Whether the pattern's automaton accepts the text; null: the pattern is not supported. */
function matches(pattern: string, text: string): boolean | null {
  const parsed = parsePattern(pattern);
  const automaton = parsed && patternAutomaton(parsed);
  return automaton && runAutomaton(automaton, text);
}

describe("a pattern that is valid only without the flag u", () => {
  test.each([
    ["^[a-z]+\\:\\d$", "ab:1", "ab\\:1"],
    ['^"[^\\\\\\"]*"$', '"ab"', '"a"b"'],
    ["^\\_\\#\\@\\ $", "_#@ ", "\\_"],
    ["^[\\w-.]+$", "a-b.c", "a b"],
    ["^{name}$", "{name}", "name"],
    ["^a{,3}]$", "a{,3}]", "aaa]"],
    ["^\\e\\h$", "eh", "\\e"],
    ["^[\\_\\-\\.]$", "_", "\\"],
  ])("%j reads the escape as a literal", (pattern, valid, invalid) => {
    expect(patternSyntax(pattern)).toBe("legacy");
    expect(matches(pattern, valid)).toBe(true);
    expect(matches(pattern, invalid)).toBe(false);
  });
});

test("a pattern's automaton agrees with the regular expression of the same syntax", () => {
  const piece = fc.constantFrom(
    ..."abc:_-{},]\"'# 019".split(""),
    ...'\\: \\_ \\- \\" \\e \\d \\w \\S \\n \\x41 \\x4 \\u0041 \\. \\] \\{ {2} {1,2} {1, ? * + | ^ $ . ( (?: )'.split(
      " ",
    ),
    "[a-c]",
    "[^a\\:]",
    "[\\w-.]",
    "[\\d-]",
    "[_\\-:]",
  );
  const source = fc.array(piece, { minLength: 1, maxLength: 7 }).map((parts) => parts.join(""));
  const text = fc.string({ unit: fc.constantFrom(...'abcA:_-{},]"e#x41 0\n\\u'), maxLength: 6 });
  const syntaxes = new Set<string>();
  fc.assert(
    fc.property(source, fc.array(text, { minLength: 4, maxLength: 8 }), (pattern, texts) => {
      const syntax = patternSyntax(pattern);
      if (syntax === null) return;
      const expression = new RegExp(pattern, syntax === "unicode" ? "u" : "");
      for (const one of texts) {
        const found = matches(pattern, one);
        if (found === null) continue;
        syntaxes.add(syntax);
        expect(found, `${pattern} on ${JSON.stringify(one)}`).toBe(expression.test(one));
      }
    }),
    { numRuns: 3_000 },
  );
  expect([...syntaxes].sort()).toEqual(["legacy", "unicode"]);
});
