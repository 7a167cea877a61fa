import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EngineError } from "../../../engine/errors.ts";
import { parseGbnf } from "../../../structured-output/gbnf/grammar.ts";
import { GrammarMatcher } from "../../../structured-output/gbnf/matcher.ts";
import { createVocabulary } from "../tokenizer/vocabulary.ts";
import { TokenGrammar } from "./token-grammar.ts";

const END = 256;
/** Single bytes, an end token, and tokens of several characters, some of which end within a character. */
const TOKENS: readonly Uint8Array[] = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  new Uint8Array(),
  ...[
    "a",
    "ab",
    "abc",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
    'a"',
    '","',
    "é",
    "aé",
    "日本",
    "日本",
    "😀a",
    "zz",
  ].map((text) => Buffer.from(text)),
  Buffer.from("日").subarray(0, 2),
  Buffer.from("x日").subarray(0, 3),
  Buffer.from("日x").subarray(2),
  Buffer.from([0xe0, 0x80]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xc0, 0x80]),
  Buffer.from([0xf4, 0x90, 0x80, 0x80]),
];
const vocabulary = createVocabulary(TOKENS.length, {
  bytes: (token) => TOKENS[token]!,
  isEnd: (token) => token === END,
});
const begin = (grammar: string) => new TokenGrammar(parseGbnf(grammar).lowered, vocabulary);
const ascending = (tokens: readonly number[]) => tokens.toSorted((a, b) => a - b);

const GRAMMARS = [
  'root ::= "{\\"a\\":" value "}"\nvalue ::= "[" (value ("," value)*)? "]" | "\\"" [^"\\\\]* "\\"" | [0-9]{1,9}',
  'root ::= [日本é😀a]{2,30} "abcdef"?',
  'root ::= ("日" | "本日" "ab" | [😀-😄] [à-ü]{3} | "abcabc")*',
  "root ::= .{0,40}",
  "root ::= [^a]* [^b]* [^a]* [^b]*",
];

describe("TokenGrammar", () => {
  it("lists exactly the tokens that it allows one by one, and its outputs fit the grammar", () => {
    fc.assert(
      fc.property(fc.constantFrom(...GRAMMARS), fc.infiniteStream(fc.nat()), (source, choices) => {
        const grammar = begin(source);
        const bytes: Uint8Array[] = [];
        for (let length = 0; length < 12; length++) {
          const allowed = grammar.allowedTokens();
          const one = TOKENS.flatMap((_, token) => (grammar.allows(token) ? [token] : []));
          expect(ascending(allowed)).toEqual(one);
          const token = allowed[choices.next().value % allowed.length]!;
          const isEnded = token === END;
          grammar.accept(token);
          bytes.push(TOKENS[token]!);
          const text = Buffer.concat(bytes).toString();
          const matcher = new GrammarMatcher(parseGbnf(source).lowered);
          // A text that ends within a character decodes to a replacement character there.
          const whole = text.includes("\uFFFD") ? text.slice(0, text.indexOf("\uFFFD")) : text;
          expect(matcher.accept(whole), text).toBe(true);
          if (!isEnded) continue;
          expect(text).not.toContain("\uFFFD");
          expect(matcher.canEnd).toBe(true);
          return;
        }
      }),
      { numRuns: 150 },
    );
  });

  it("allows no bytes that are not UTF-8: overlong forms, surrogates, code points above U+10FFFF", () => {
    const allowed = begin("root ::= [^\\x41]*").allowedTokens();
    const texts = allowed.map((token) => Buffer.from(TOKENS[token]!).toString("hex"));
    for (const bytes of ["e080", "eda080", "c080", "f4908080", "80", "c0", "ff"]) {
      expect(texts).not.toContain(bytes);
    }
    expect(texts).toContain("e697");
  });

  it("rejects a token that can be read in 3^32 ways until its last byte", () => {
    const grammar = begin('root ::= "a"* "a"* "a"* ("a"* "a"* "b")*');
    const attack = TOKENS.findIndex((bytes) => bytes.length === 33);
    for (let i = 0; i < 20; i++) {
      expect(grammar.allows(attack)).toBe(false);
      expect(grammar.allowedTokens()).not.toContain(attack);
      grammar.accept("a".charCodeAt(0));
    }
  });

  it("ends a request whose grammar needs too much work for a token", () => {
    // Ambiguous too late for the check of grammars to find it.
    const grammar = begin('root ::= [0-9]{60} s\ns ::= "(" s "a" | "(" s "b" | "x"');
    for (let i = 0; i < 60; i++) grammar.accept("0".charCodeAt(0));
    expect(() => {
      for (let i = 0; i < 60; i++) grammar.accept("(".charCodeAt(0));
    }).toThrow(EngineError);
  });

  it("goes on after it has forgotten what it had remembered", () => {
    const grammar = begin('root ::= "(" root ")" | [b-z]{0,60} "a" [b-z]{0,60}');
    let depth = 0;
    for (; depth < 9_000; depth++) {
      grammar.accept("(".charCodeAt(0));
      if (depth % 10 === 0) grammar.allowedTokens();
    }
    grammar.accept("a".charCodeAt(0));
    for (; depth > 0; depth--) grammar.accept(")".charCodeAt(0));
    expect(grammar.allowedTokens()).toEqual([END]);
  });
});
