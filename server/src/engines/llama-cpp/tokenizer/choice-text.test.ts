import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StopMatcher } from "../../../engine/stop-matcher.ts";
import { ChoiceText } from "./choice-text.ts";

/** The last three tokens are special. */
const VOCABULARY = ["a", "b", "ab", "[", "[A]", "[B]", "[AB]"];
const isSpecial = (token: number): boolean => token >= 4;

interface Options {
  stops?: readonly string[];
  markers?: readonly string[];
}

function textOf({ stops = [], markers = [] }: Options): ChoiceText {
  return new ChoiceText({
    detokenize: (tokens) => tokens.map((token) => (isSpecial(token) ? "" : VOCABULARY[token])).join(""),
    specialText: (token) => (isSpecial(token) ? VOCABULARY[token]! : null),
    prompt: [],
    stops,
    markers,
  });
}

function read(words: string, options: Options): { text: string; stopped: boolean } {
  const choice = textOf(options);
  const pieces = words.split(" ").map((word) => choice.push(VOCABULARY.indexOf(word)));
  return { text: pieces.join("") + choice.flush(), stopped: choice.stopped };
}

describe("the text of a choice", () => {
  test.each<[string, string, Options, string, boolean]>([
    ["leaves special tokens out", "a [A] b", {}, "ab", false],
    ["has the special tokens of markers", "[A] a [B] b", { markers: ["[A]"] }, "[A]ab", false],
    ["has the special tokens within a longer marker", "[A] a", { markers: ["\n[A]\n"] }, "[A]a", false],
    ["ends at a stop text that is a special token", "a [A] b", { stops: ["[A]"] }, "a", true],
    ["ends at a stop text of several tokens", "a [A] b a", { stops: ["[A]b"] }, "a", true],
    ["leaves out what only began a stop text", "a [A] a b", { stops: ["[A]b"] }, "aab", false],
    ["leaves special tokens out around held text", "a [A] [B] b", { stops: ["[A][B]a"] }, "ab", false],
    ["leaves out a special token at the end", "a [A]", { stops: ["[A]b"] }, "a", false],
    ["keeps ordinary text that looks like a stop's start", "[ a", { stops: ["[A]"] }, "[a", false],
  ])("%s", (_what, words, options, text, stopped) => {
    expect(read(words, options)).toEqual({ text, stopped });
  });

  test("is what matching the whole text and then dropping the special tokens gives", () => {
    const token = fc.nat(VOCABULARY.length - 1);
    const stop = fc
      .array(fc.constantFrom(...VOCABULARY), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(
        fc.array(token),
        fc.array(stop, { maxLength: 3 }),
        fc.boolean(),
        (tokens, stops, visible) => {
          const choice = textOf({ stops, markers: visible ? ["[A]"] : [] });
          let got = "";
          let used = 0;
          for (const next of tokens) {
            if (choice.stopped) break;
            got += choice.push(next);
            used++;
          }
          got += choice.flush();
          // The oracle: each character beside whether it is delivered.
          const shown = tokens.slice(0, used).flatMap((next) => {
            const delivered = !isSpecial(next) || (visible && VOCABULARY[next] === "[A]");
            return [...VOCABULARY[next]!].map((character) => ({ character, delivered }));
          });
          const matcher = new StopMatcher(stops);
          const whole = matcher.push(shown.map(({ character }) => character).join(""));
          const length = whole.length + matcher.flush().length;
          const expected = shown.slice(0, length).filter(({ delivered }) => delivered);
          expect(got).toBe(expected.map(({ character }) => character).join(""));
          expect(choice.stopped).toBe(matcher.stopped);
        },
      ),
    );
  });
});
