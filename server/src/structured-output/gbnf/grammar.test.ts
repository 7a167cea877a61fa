import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOSTILE_GRAMMARS } from "./fixture-hostile-grammars.ts";
import { parseGbnf } from "./grammar.ts";
import { GrammarMatcher } from "./matcher.ts";
import { GrammarError } from "./parser.ts";
import { allows, sample, seededRandom } from "./testing.ts";

function refusal(source: string): GrammarError {
  try {
    parseGbnf(source);
  } catch (error) {
    if (error instanceof GrammarError) return error;
    throw error;
  }
  throw new Error(`accepted: ${source}`);
}

describe("GBNF", () => {
  test.each([
    ['root ::= "a\\n\\t\\r\\"\\\\\\x41\\u00e9\\U0001F600"', 'a\n\t\r"\\Aé😀', "a"],
    ["root ::= [a-z0-9_-]+ [^a-z\\]]", "a-_9]".slice(0, 4).concat("Z"), "ab]"],
    ['root ::= "a"? "b"* ("c" | "d" "e"){2,3} .', "cdec.", "abcx"],
    ['root ::= "a"{2} "b"{1,}  # comment\n', "aab", "ab"],
    [
      'root ::= (\n # one\n "1. " move\n "\\n")+\nmove ::= [a-h]\n  [1-8]'.replace("\n  [1-8]", " [1-8]"),
      "1. a1\n1. b2\n",
      "1. a",
    ],
    ['root ::= "a" |\n  "b" |\n  ""', "", "c"],
    ['\n\n# empty lines\r\nroot ::= item-2\r\n\r\nitem-2 ::= "x"', "x", "y"],
    [
      "root ::= jp-char+ ([ \t\n] jp-char+)*\njp-char ::= [ぁ-ゟ] | [ァ-ヿ] | [、-〾] | [一-鿿]",
      "こん 日\nア",
      "a",
    ],
    ['root ::= ("x"?)* "y"', "xxy", "z"],
    ['root ::= "a"\nunused ::= other "b"\nother ::= unused? | root', "a", "b"],
    ['root ::= a_b a-b _\na_b ::= "1"\na-b ::= "2"\n_ ::= "3"', "123", "113"],
    ['root ::= list\nlist ::= "(" (list ("," list)*)? ")"', "((),(()))", "(()"],
  ])("%j matches the texts of its grammar and no others", (source, yes, no) => {
    expect(allows(source, yes)).toBe(true);
    expect(allows(source, no)).toBe(false);
  });

  test.each([
    ["", 1, 1, "a rule named root"],
    ["root", 1, 5, '"::="'],
    ["root ::= (", 1, 11, '")"'],
    ['root ::= "a" )', 1, 14, "end of the line"],
    ['root ::= "abc', 1, 10, 'closing "'],
    ["root ::= [abc", 1, 10, "closing ]"],
    ["root ::= []", 1, 10, "at least one character"],
    ["root ::= [z-a]", 1, 11, "lower character first"],
    ['root ::= "\\q"', 1, 11, "\\n"],
    ['root ::= "\\x4"', 1, 13, "2 hexadecimal digits"],
    ['root ::= "\\ud800"', 1, 11, "another"],
    ['root ::= "\\x00"', 1, 11, "another"],
    ['root ::= "\\U00110000"', 1, 13, "at most 10FFFF"],
    ["root ::= *", 1, 10, "an item before it"],
    ['root ::= ""*', 1, 10, "literal with text"],
    ['root ::= "a"{', 1, 14, "a number"],
    ['root ::= "a"{3,2}', 1, 16, "at least 3"],
    ['root ::= "a"{2001}', 1, 14, "at most 2000"],
    ['root ::= "a"{1,99999999999999999999}', 1, 16, "at most 2000"],
    ['root ::= ("a"{0,100}){0,100}', 1, 22, "at most"],
    ['root ::= "a"\nother ::= missing', 2, 1, "the name of a rule"],
    ['root ::= "a"\nroot ::= "b"', 2, 1, "another name"],
    ['start ::= "a"', 1, 1, "a rule named root"],
    ['root ::= "a"\n  missing', 2, 10, '"::="'],
    ['root ::= "a" missing', 1, 14, "the name of a rule"],
    ['root ::= root "a" | "b"', 1, 1, "before the recursion"],
    ['root ::= a\na ::= b "x" | "y"\nb ::= a "z"', 2, 1, "before the recursion"],
    ['root ::= a "x"\na ::= b root | "y"\nb ::= "z"?', 1, 1, "before the recursion"],
    ['root ::= ws* "a"\nws ::= " " |', 1, 12, "something that cannot"],
    ['root ::= "a" root', 1, 1, "without recursion"],
    ["root ::= <think>", 1, 10, "a literal"],
    ['root ::= "a" !<[5]>', 1, 14, "a literal"],
    [`root ::= ${"r".repeat(201)}`, 1, 10, "at most 200"],
    ['root ::= s\ns ::= "(" s "a" | "(" s "b" | "x"', 1, 1, "differ at their beginning"],
  ])("%j is refused with the position and the expected text", (source, line, column, expected) => {
    const error = refusal(source);
    expect(error).toMatchObject({ line, column });
    expect(error.expected).toContain(expected);
    expect(error.message).toContain(`line ${line}, column ${column}`);
  });

  test("that is too deep, too long or exploding is refused", () => {
    const bombs = [
      `root ::= ${"(".repeat(10_000)}`,
      `root ::= ${"(".repeat(10_000)}"a"${")".repeat(10_000)}`,
      `root ::= "${"a".repeat(1_000_000)}"`,
      `${Array.from({ length: 20_000 }, (_, i) => `r${i} ::= "a"\n`).join("")}root ::= r1`,
      `root ::= "${"a".repeat(1_000)}"{2000}`,
      `root ::= ${Array.from({ length: 5_000 }, () => '"a"').join(" | ")}`,
      // The engine's check for left recursion would visit 2^40 paths.
      `root ::= r0\n${Array.from({ length: 40 }, (_, i) => `r${i} ::= r${i + 1} "a" | r${i + 1} "b"\n`).join("")}r40 ::= "x"`,
      `root ::= r0\n${Array.from({ length: 60 }, (_, i) => `r${i} ::= r${i + 1} r${i + 1}\n`).join("")}r60 ::= "x"`,
      `root ::= r0\n${Array.from({ length: 9_000 }, (_, i) => `r${i} ::= r${i + 1} | "b"\n`).join("")}r9000 ::= "x"`,
    ];
    for (const bomb of bombs) expect(refusal(bomb)).toBeInstanceOf(GrammarError);
  });

  test.each([...HOSTILE_GRAMMARS])("%s is refused or followed with bounded work", (_, source) => {
    let grammar: ReturnType<typeof parseGbnf>;
    try {
      grammar = parseGbnf(source);
    } catch (error) {
      expect(error).toBeInstanceOf(GrammarError);
      return;
    }
    const matcher = new GrammarMatcher(grammar.lowered);
    const before = matcher.visited;
    expect(matcher.stackCount).toBeLessThanOrEqual(1_000);
    for (const char of "a ") matcher.peekStackCount(char.codePointAt(0)!);
    expect(matcher.visited - before).toBeLessThanOrEqual(20_000);
  });

  test("parses or refuses any text without another error than GrammarError", () => {
    const pieces = [
      "root",
      "::=",
      " ",
      "\n",
      '"a"',
      "[a-z]",
      "[^",
      "]",
      "(",
      ")",
      "|",
      "*",
      "+",
      "?",
      "{2,3}",
      "{",
      "<[5]>",
      "!",
      ".",
      "#",
      "\\",
      "a",
      "b ::=",
      '"',
      "\\x41",
      "é",
      "😀",
      "\ud800",
      "\0",
    ];
    const soup = fc.array(fc.constantFrom(...pieces), { maxLength: 25 }).map((parts) => parts.join(""));
    const source = fc.oneof(
      soup,
      soup.map((text) => `root ::= ${text}`),
      fc.string({ unit: "binary" }),
    );
    let accepted = 0;
    fc.assert(
      fc.property(source, (text) => {
        try {
          parseGbnf(text);
          accepted++;
        } catch (error) {
          expect(error).toBeInstanceOf(GrammarError);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  const { expr } = fc.letrec<{ expr: string; item: string }>((tie) => ({
    item: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('"a"', '"\\"b\\\\"', "[a-c]", "[^a-y\\]]", "rule", ".", '"é😀"', "[\\x00-\\x1F^-]"),
      tie("expr").map((inner) => `(${inner})`),
      fc
        .tuple(tie("item"), fc.constantFrom("*", "+", "?", "{2}", "{1,}", "{0,3}"))
        .map((parts) => parts.join("")),
    ),
    expr: fc
      .array(
        fc.array(tie("item"), { minLength: 1, maxLength: 3 }).map((items) => items.join(" ")),
        { minLength: 1, maxLength: 3 },
      )
      .map((options) => options.join(" | ")),
  }));

  test("that is printed and parsed again is the same and allows its own random texts", () => {
    let read = 0;
    fc.assert(
      fc.property(expr, fc.integer(), (body, seed) => {
        const source = `root ::= ${body} rule?\nrule ::= "r" | "(" rule ")"`;
        let grammar: ReturnType<typeof parseGbnf>;
        try {
          grammar = parseGbnf(source);
        } catch (error) {
          expect(error).toBeInstanceOf(GrammarError);
          return;
        }
        read++;
        expect(parseGbnf(grammar.text).text).toBe(grammar.text);
        const output = sample(grammar.lowered, seededRandom(seed), 30);
        const matcher = new GrammarMatcher(grammar.lowered);
        expect(matcher.accept(output)).toBe(true);
        expect(matcher.canEnd).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(read).toBeGreaterThan(200);
  });
});

describe("GrammarMatcher", () => {
  test("finds the shortest completion of every partial output", () => {
    const { lowered } = parseGbnf('root ::= "{" ("a" [0-9]{3} | "bc" root) "}" ("\\n" "end")?');
    const matcher = new GrammarMatcher(lowered);
    expect(matcher.shortestCompletion()).toBe("{a000}");
    expect(matcher.minRemainingBytes()).toBe(6);
    expect(matcher.accept("{bc{a1")).toBe(true);
    expect(matcher.minRemainingBytes()).toBe(4);
    expect(matcher.shortestCompletion()).toBe("00}}");
    expect(matcher.accept("x")).toBe(false);
    expect(matcher.accept("22}}")).toBe(true);
    expect(matcher.canEnd).toBe(true);
    expect(matcher.shortestCompletion()).toBe("");
  });

  test("counts a completion in bytes and finds it within a character", () => {
    const matcher = new GrammarMatcher(
      parseGbnf('root ::= "x" ("日" "本" | [à-üА-я] "abc" | "abcdefg")').lowered,
    );
    expect(matcher.shortestCompletion()).toBe("xàabc");
    expect(matcher.minRemainingBytes()).toBe(6);
    expect(matcher.accept("x")).toBe(true);
    expect(matcher.shortestCompletion([0x400, 0x43f])).toBe("Аabc");
    expect(matcher.minRemainingBytes([0x6000, 0x6fff])).toBe(6);
    expect(matcher.shortestCompletion([0x6000, 0x6fff])).toBe("日本");
    expect(matcher.minRemainingBytes([0x30, 0x39])).toBe(Number.POSITIVE_INFINITY);
    expect(matcher.shortestCompletion([0x30, 0x39])).toBeNull();
    const before = matcher.state;
    expect(matcher.accept("日本")).toBe(true);
    expect(matcher.minRemainingBytes([0x30, 0x39])).toBe(Number.POSITIVE_INFINITY);
    matcher.state = before;
    expect(matcher.minRemainingBytes()).toBe(5);
  });

  test("completes every partial output in the number of bytes that it predicts", () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(40), (seed, length) => {
        const { lowered } = parseGbnf(
          'root ::= "[" (value ("," value)*)? "]"\nvalue ::= root | [0-9]{1,4} | "\\"" [a-z]* "\\"" | "n"{3,}',
        );
        const output = sample(lowered, seededRandom(seed), 40).slice(0, length);
        const matcher = new GrammarMatcher(lowered);
        expect(matcher.accept(output)).toBe(true);
        const rest = matcher.minRemainingBytes();
        const end = matcher.shortestCompletion()!;
        expect(end).toHaveLength(rest);
        expect(matcher.accept(end)).toBe(true);
        expect(matcher.canEnd).toBe(true);
      }),
    );
  });
});
