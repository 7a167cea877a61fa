import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { REASONING_FORMATS, type ReasoningFormat } from "./formats.ts";
import { type ReasoningPiece, ReasoningSplitter } from "./splitter.ts";

function split(format: ReasoningFormat, opened: boolean, pieces: readonly string[]) {
  const splitter = new ReasoningSplitter(format, opened);
  const out = [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.flush()];
  const joined = (type: ReasoningPiece["type"]): string =>
    out
      .filter((piece) => piece.type === type)
      .map((piece) => piece.text)
      .join("");
  // All reasoning comes before all content.
  const firstContent = out.findIndex((piece) => piece.type === "content");
  expect(out.slice(firstContent).some((piece) => firstContent !== -1 && piece.type === "reasoning")).toBe(
    false,
  );
  return { reasoning: joined("reasoning"), content: joined("content") };
}

describe.each(REASONING_FORMATS)("$name", (format) => {
  const { open, close } = format;

  test("a block at the start is reasoning, the rest is content, and white space at the tags is removed", () => {
    const body = `Hm,\n\n 1 < 2 ${open}.`;
    for (const text of [`${open}\n${body}\n${close}\n\nYes. `, `\n ${open}${body}${close}Yes. `]) {
      expect(split(format, false, [text])).toEqual({ reasoning: body, content: "Yes. " });
    }
    expect(split(format, true, [`\n${body}\n${close}\n\nYes. `])).toEqual({
      reasoning: body,
      content: "Yes. ",
    });
  });

  test("an empty block gives no reasoning", () => {
    expect(split(format, false, [`${open}\n\n${close}\n\nYes.`])).toEqual({ reasoning: "", content: "Yes." });
    expect(split(format, true, [`\n${close}Yes.`])).toEqual({ reasoning: "", content: "Yes." });
  });

  test("tags inside the content stay unchanged", () => {
    const text = `\n  Write ${open}x${close} and ${close}. \n`;
    expect(split(format, false, [text])).toEqual({ reasoning: "", content: text });
    expect(split(format, true, [`a${close}${text}`])).toEqual({ reasoning: "a", content: text.trimStart() });
  });

  test("a block that never ends is all reasoning, including half a closing tag", () => {
    const text = `a \n${close.slice(0, -1)}`;
    expect(split(format, true, [...text])).toEqual({ reasoning: text, content: "" });
  });

  test("any text gives the same result however it is split into pieces", () => {
    const scraps = [
      open,
      close,
      open.slice(0, -1),
      close.slice(0, -1),
      close.slice(1),
      "<",
      "/",
      "\n",
      " ",
      "x",
      "é",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...scraps), { maxLength: 14 }),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 6 }),
        (parts, opened, cuts) => {
          const text = parts.join("");
          const whole = split(format, opened, [text]);
          const points = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
          const pieces = [0, ...points].map((from, i) => text.slice(from, points[i] ?? text.length));
          expect(split(format, opened, pieces)).toEqual(whole);
          expect(split(format, opened, [...text])).toEqual(whole);
          if (whole.reasoning === "" && !opened && !text.trimStart().startsWith(open)) {
            expect(whole.content).toBe(text);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

test("reasoning is passed on at once, except for text that may be the closing tag or white space before it", () => {
  const splitter = new ReasoningSplitter(REASONING_FORMATS[0]!, true);
  const sent = (text: string): string[] => splitter.push(text).map((piece) => `${piece.type}: ${piece.text}`);
  expect(sent("\n")).toEqual([]);
  expect(sent("a ")).toEqual(["reasoning: a"]);
  expect(sent("b<")).toEqual(["reasoning:  b"]);
  expect(sent("c\n</thin")).toEqual(["reasoning: <c"]);
  expect(splitter.inContent).toBe(false);
  expect(sent("k>\n")).toEqual([]);
  expect(splitter.inContent).toBe(true);
  expect(sent("\nd ")).toEqual(["content: d "]);
  expect(sent("<")).toEqual(["content: <"]);
});
