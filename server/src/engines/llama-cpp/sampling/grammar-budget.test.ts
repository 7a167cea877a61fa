import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseGbnf } from "../../../structured-output/gbnf/grammar.ts";
import { GrammarMatcher } from "../../../structured-output/gbnf/matcher.ts";
import { seededRandom } from "../../../structured-output/gbnf/testing.ts";
import { charactersStartingWith, wholeCharacterBytes } from "../tokenizer/utf8.ts";
import { GrammarBudget } from "./grammar-budget.ts";

const END = 1_000;
/** Every byte is a token, and so are these: of several characters, of parts of some, and of both. */
const LONGER = ['{"a":', '"}', '","b":[', "[[[", "]]", "abcdef", "日", "本日", "0000"].map((text) =>
  Buffer.from(text),
);
const PARTS = [[0xe6, 0x97], [0x97, 0xa5], [0xa5, 0x22], [0x61, 0xf0, 0x9f], [0x98, 0x80, 0x61], [0xc3]];
const VOCABULARY: readonly Buffer[] = [
  ...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)),
  ...LONGER,
  ...PARTS.map((bytes) => Buffer.from(bytes)),
];

/** Spells the bytes greedily, each time with the longest token that matches. */
function spell(bytes: Uint8Array): number[] {
  const tokens: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const rest = Buffer.from(bytes.subarray(at));
    let best = rest[0]!;
    for (const [token, piece] of VOCABULARY.entries()) {
      const matches = piece.equals(rest.subarray(0, piece.length));
      if (piece.length > VOCABULARY[best]!.length && matches) best = token;
    }
    tokens.push(best);
    at += VOCABULARY[best]!.length;
  }
  return tokens;
}

const budgetOf = (grammar: string) =>
  new GrammarBudget({
    grammar: parseGbnf(grammar).lowered,
    bytes: (token) => VOCABULARY[token]!,
    spell,
    endToken: END,
  });

interface Output {
  tokens: number[];
  text: string;
  reason: "stop" | "length" | "closed";
}

/** Makes any tokens that the grammar allows, and an end where it allows one. */
function generate(grammar: string, maxTokens: number, seed: number): Output {
  const random = seededRandom(seed);
  const budget = budgetOf(grammar);
  const matcher = new GrammarMatcher(parseGbnf(grammar).lowered);
  const tokens: number[] = [];
  let cut = Buffer.alloc(0);
  const text = () => Buffer.concat(tokens.flatMap((token) => VOCABULARY[token] ?? [])).toString();
  const take = (token: number): boolean => {
    const all = Buffer.concat([cut, VOCABULARY[token]!]);
    const whole = wholeCharacterBytes(all);
    const before = matcher.state;
    const rest = all.subarray(whole);
    const begun = all.subarray(0, whole).toString();
    const allowed =
      !begun.includes("\uFFFD") &&
      matcher.accept(begun) &&
      (rest.length === 0 ||
        matcher.minRemainingBytes(charactersStartingWith(rest)) < Number.POSITIVE_INFINITY);
    if (allowed) cut = rest;
    else matcher.state = before;
    return allowed;
  };
  while (tokens.length < maxTokens) {
    const before = [matcher.state, cut] as const;
    if (cut.length === 0 && matcher.canEnd && random(4) === 0) {
      return { tokens: [...tokens, END], text: text(), reason: "stop" };
    }
    const choices = VOCABULARY.map((_, token) => token).filter((token) => {
      [matcher.state, cut] = [...before];
      return take(token);
    });
    [matcher.state, cut] = [...before];
    if (choices.length === 0) return { tokens: [...tokens, END], text: text(), reason: "stop" };
    const token = choices[random(choices.length)]!;
    const ending = budget.forcedEnding(token, maxTokens - tokens.length - 1);
    if (ending !== null) {
      tokens.push(...ending);
      return { tokens, text: text(), reason: "closed" };
    }
    take(token);
    tokens.push(token);
  }
  return { tokens, text: text(), reason: "length" };
}

const GRAMMARS = [
  'root ::= "{\\"a\\":" value "}"\nvalue ::= "[" (value ("," value)*)? "]" | "\\"" [^"\\\\]* "\\"" | [0-9]{1,9} | root',
  'root ::= [日本é😀a]{2,30} "abcdef"?',
  'root ::= ("日" | "本日" "ab" | [😀-😄] [à-ü]{3} | "abcdefabcdef")*',
  'root ::= "x" .* "]]"',
];

describe("the output of a grammar with a token budget", () => {
  it("is complete within its tokens wherever the shortest ending fits", () => {
    const endings = { stop: 0, closed: 0, length: 0 };
    fc.assert(
      fc.property(fc.constantFrom(...GRAMMARS), fc.integer(), fc.nat(60), (grammar, seed, maxTokens) => {
        const { lowered } = parseGbnf(grammar);
        const matcher = new GrammarMatcher(lowered);
        const needed = spell(Buffer.from(matcher.shortestCompletion()!)).length + 1;
        const { tokens, text, reason } = generate(grammar, maxTokens, seed);
        endings[reason]++;
        expect(tokens.length).toBeLessThanOrEqual(maxTokens);
        if (needed <= maxTokens) expect(reason, text).not.toBe("length");
        if (reason !== "length") expect(matcher.accept(text) && matcher.canEnd, text).toBe(true);
      }),
      { numRuns: 400 },
    );
    for (const count of Object.values(endings)) expect(count).toBeGreaterThan(10);
  });

  it("is unchanged while the ending fits, and is ended no token too early", () => {
    const budget = budgetOf('root ::= "[" [a-z]* "]"');
    const [open, letter] = ["[".charCodeAt(0), "a".charCodeAt(0)];
    expect([
      budget.forcedEnding(open, 4),
      budget.forcedEnding(letter, 3),
      budget.forcedEnding(letter, 2),
    ]).toEqual([null, null, null]);
    expect(budget.forcedEnding(letter, 1)).toEqual(["]".charCodeAt(0), END]);
  });

  it("is ended by tokens of several bytes where single bytes would be too many", () => {
    const budget = budgetOf('root ::= "x" [0-9]* "abcdef" "abcdef"');
    expect(budget.forcedEnding("x".charCodeAt(0), 3)).toBeNull();
    const [one] = spell(Buffer.from("abcdef"));
    expect(budget.forcedEnding("7".charCodeAt(0), 2)).toEqual([one, one, END]);
  });

  it("is cut off when no ending fits", () => {
    const budget = budgetOf('root ::= "ghijklmn" [a-z]*');
    for (const [at, char] of [..."ghij"].entries())
      expect(budget.forcedEnding(char.charCodeAt(0), 3 - at)).toBeNull();
  });

  it("is ended also when the ending starts to fit only later, because the model took fewer tokens than expected", () => {
    const budget = budgetOf('root ::= ("日日日" | "a" "abcdef" ) [a-z]*');
    expect(budget.forcedEnding("a".charCodeAt(0), 2)).toBeNull();
    expect(budget.forcedEnding("a".charCodeAt(0), 1)).not.toBeNull();
  });

  it("is no longer limited once it can't be tracked", () => {
    const wide = budgetOf('root ::= "a" [a-z]*');
    expect(wide.forcedEnding("b".charCodeAt(0), 9)).toBeNull();
    expect(wide.forcedEnding("a".charCodeAt(0), 0)).toBeNull();
    const broken = budgetOf('root ::= "a" [a-zé]*');
    expect(broken.forcedEnding(0xa5, 9)).toBeNull();
    expect(broken.forcedEnding("a".charCodeAt(0), 0)).toBeNull();
  });
});
