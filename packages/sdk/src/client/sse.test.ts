import fc from "fast-check";
import { expect, test } from "vitest";
import { EventReader, type ServerSentEvent } from "./sse.ts";

const NEWLINE = fc.constantFrom("\n", "\r\n", "\r");
/** Field values: strings without line breaks. */
const value = fc
  .string({ unit: "grapheme", maxLength: 12 })
  .map((text) => text.replaceAll(/[\r\n\ufeff]/g, "·").replace(/^ /, ""));
const event = fc.record({
  event: fc.oneof(
    fc.constant("message"),
    value.filter((text) => text !== ""),
  ),
  data: fc.array(value, { minLength: 1, maxLength: 3 }).map((lines) => lines.join("\n")),
});

/** Serializes events, with comments and other ignored lines between them. */
function written(events: readonly ServerSentEvent[], newlines: readonly string[], hasSpace: boolean): string {
  let at = 0;
  const newline = (): string => newlines[at++ % newlines.length] as string;
  const space = hasSpace ? " " : "";
  return events
    .map(({ event: type, data }) => {
      const lines = [": a comment", "retry: 5", "unknown"];
      if (type !== "message") lines.push(`event:${space}${type}`);
      lines.push(...data.split("\n").map((line) => `data:${space}${line}`));
      return `${lines.map((line) => line + newline()).join("")}${newline()}`;
    })
    .join("");
}

test("events are the same for every split into chunks and every kind of line break", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 5 }),
      fc.array(NEWLINE, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.nat(400), { maxLength: 30 }),
      (events, newlines, hasSpace, hasMark, cuts) => {
        // CR and LF together are one line break: don't let two separate line breaks form it by chance.
        const ends = newlines.includes("\r") && newlines.includes("\n") ? ["\r"] : newlines;
        const text = (hasMark ? "\ufeff" : "") + written(events, ends, hasSpace);
        const bytes = new TextEncoder().encode(text);
        const reader = new EventReader();
        const at = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
        const read = at.flatMap((end, i) => reader.push(bytes.subarray(at[i - 1] ?? 0, end)));
        expect(read).toEqual(events);
      },
    ),
    { numRuns: 500 },
  );
});

test("an event without its blank line is dropped", () => {
  const reader = new EventReader();
  expect(reader.push(new TextEncoder().encode("data: a\n\ndata: b\n"))).toEqual([
    { event: "message", data: "a" },
  ]);
});

test("blank lines and fields without data produce no events", () => {
  const reader = new EventReader();
  expect(reader.push(new TextEncoder().encode("\n\nevent: ping\n\ndata\n\n"))).toEqual([
    { event: "message", data: "" },
  ]);
});

test("an event over the size limit throws", () => {
  const reader = new EventReader();
  const chunk = new TextEncoder().encode("a".repeat(1024 ** 2));
  const push = () => {
    for (let i = 0; i < 66; i++) reader.push(chunk);
  };
  expect(push).toThrow(RangeError);
});
