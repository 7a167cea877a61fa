import fc from "fast-check";
import { expect, it } from "vitest";
import { StopMatcher } from "./stop-matcher.ts";

/** Reference implementation: the text before the stop that is completed first, the longest of several. */
function model(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((s) => text.slice(0, end).endsWith(s)).sort((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), stopped: true };
  }
  return { text, stopped: false };
}

// Few letters, so that stops overlap with the text and with each other.
const letters = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), minLength: 1, maxLength });

it("StopMatcher delivers the text before the first stop however the text is cut into pieces", () => {
  fc.assert(
    fc.property(
      fc.array(letters(6), { maxLength: 12 }),
      fc.array(letters(5), { maxLength: 4 }),
      (pieces, stops) => {
        const matcher = new StopMatcher(stops);
        const delivered = pieces.map((piece) => matcher.push(piece)).join("") + matcher.flush();
        expect({ text: delivered, stopped: matcher.stopped }).toEqual(model(pieces.join(""), stops));
      },
    ),
    { numRuns: 2000 },
  );
});

it("StopMatcher holds back only characters that may be the start of a stop", () => {
  fc.assert(
    fc.property(
      fc.array(letters(6), { maxLength: 12 }),
      fc.array(letters(5), { minLength: 1, maxLength: 4 }),
      (pieces, stops) => {
        const matcher = new StopMatcher(stops);
        let delivered = "";
        let read = "";
        for (const piece of pieces) {
          delivered += matcher.push(piece);
          read += piece;
          if (matcher.stopped) return;
          const held = read.slice(delivered.length);
          expect(held === "" || stops.some((s) => s.startsWith(held))).toBe(true);
        }
      },
    ),
  );
});

it("StopMatcher finds a stop that begins inside one piece and ends inside a later one", () => {
  const matcher = new StopMatcher(["END NOW"]);
  expect(["ab E", "N", "D ", "NOW and on"].map((piece) => matcher.push(piece))).toEqual(["ab ", "", "", ""]);
  expect(matcher.stopped).toBe(true);
  expect(matcher.flush()).toBe("");
});
