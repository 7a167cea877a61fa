import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contains } from "../../../structured-output/gbnf/char-set.ts";
import { charactersStartingWith, wholeCharacterBytes } from "./utf8.ts";

/** Characters of every length. */
const character = fc.oneof(
  fc.integer({ min: 0x20, max: 0x7f }),
  fc.integer({ min: 0x80, max: 0x7ff }),
  fc.integer({ min: 0x800, max: 0xd7ff }),
  fc.integer({ min: 0xe000, max: 0xffff }),
  fc.integer({ min: 0x10000, max: 0x10ffff }),
);

describe("UTF-8 that is cut off anywhere", () => {
  it("splits into whole characters and the beginning of the next one", () => {
    fc.assert(
      fc.property(fc.array(character, { minLength: 1, maxLength: 6 }), fc.nat(24), (codePoints, length) => {
        const text = String.fromCodePoint(...codePoints);
        const bytes = Buffer.from(text).subarray(0, length);
        const whole = wholeCharacterBytes(bytes);
        const begun = bytes.subarray(0, whole).toString();
        expect(text.startsWith(begun)).toBe(true);
        const rest = bytes.subarray(whole);
        const next = text.slice(begun.length).codePointAt(0);
        if (rest.length > 0) expect(contains(charactersStartingWith(rest), next!)).toBe(true);
      }),
    );
  });

  it("can be completed to the characters that begin with its last bytes, and to no others", () => {
    fc.assert(
      fc.property(character, character, fc.integer({ min: 1, max: 3 }), (one, other, length) => {
        const [bytes, others] = [one, other].map((codePoint) => Buffer.from(String.fromCodePoint(codePoint)));
        if (length >= bytes!.length) return;
        const begun = bytes!.subarray(0, length);
        expect(contains(charactersStartingWith(begun), other)).toBe(
          begun.equals(others!.subarray(0, length)),
        );
      }),
    );
  });

  it.each([
    [[0xc0]],
    [[0xc1]],
    [[0xe0, 0x80]],
    [[0xf0, 0x8f]],
    [[0xed, 0xa0]],
    [[0xf4, 0x90]],
    [[0xf5]],
    [[0xff]],
    [[0xa5]],
  ])("can't be completed after the invalid bytes %j", (bytes) => {
    expect(charactersStartingWith(Uint8Array.from(bytes))).toEqual([]);
  });
});
