import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonSizeCounter, MAX_NAMES, MAX_VALUES } from "./json-size.ts";

/** Whether the counter refuses the text, cut into chunks of `chunkBytes`. */
function refuses(text: string, chunkBytes = 60_000): boolean {
  const bytes = Buffer.from(text);
  const counter = new JsonSizeCounter();
  try {
    for (let at = 0; at < bytes.length; at += chunkBytes) counter.add(bytes.subarray(at, at + chunkBytes));
    return false;
  } catch (error) {
    expect(error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", param: "body" });
    return true;
  }
}

const list = (count: number, item: string) => `[${Array.from({ length: count }, () => item).join(",")}]`;
const object = (count: number) => `{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",")}}`;

describe("the size of a JSON body", () => {
  test.each([
    ["a million names", object(1_000_000)],
    ["a million objects of one name", list(1_000_000, '{"a":1}')],
    ["a list of 8 million numbers", list(8_000_000, "1")],
    ["five million empty lists", list(5_000_000, "[]")],
    ["eight million open brackets", "[".repeat(8_000_000)],
  ])("is too large with %s", (_, text) => {
    expect(refuses(text)).toBe(true);
  });

  test("may reach its limits exactly", () => {
    expect([refuses(list(MAX_VALUES, "1")), refuses(list(MAX_VALUES + 1, "1"))]).toEqual([false, true]);
    expect([refuses(object(MAX_NAMES)), refuses(object(MAX_NAMES + 1))]).toEqual([false, true]);
  });

  test("counts nothing within a string, wherever the chunks are cut", () => {
    const nasty = fc
      .array(fc.constantFrom("\\", '"', ",", ":", "[", "{", "é", "😀", "a"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(nasty, fc.integer({ min: 1, max: 9 }), (text, chunkBytes) => {
        const counter = new JsonSizeCounter();
        // Shared by all copies of the string, so that one comma or colon counted in each exceeds a limit.
        const bytes = Buffer.from(JSON.stringify(text));
        for (let copy = 0; copy < MAX_NAMES / 50; copy++) {
          for (let at = 0; at < bytes.length; at += chunkBytes)
            counter.add(bytes.subarray(at, at + chunkBytes));
        }
        // One name more than allowed is refused: the counter is outside of a string again.
        counter.add(Buffer.from(`[${object(MAX_NAMES)}`));
        expect(() => counter.add(Buffer.from(',{"a":1}]'))).toThrow();
      }),
      { numRuns: 30 },
    );
  });

  test("lets a text of 16 MB pass", () => {
    expect(refuses(JSON.stringify({ messages: [{ role: "user", content: ",:[{".repeat(4_000_000) }] }))).toBe(
      false,
    );
  });
});
