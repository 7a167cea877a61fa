import fc from "fast-check";
import { expect, it } from "vitest";
import { IncrementalDetokenizer } from "./incremental-detokenizer.ts";

/** A tokenizer whose tokens are pieces of UTF-8, cut anywhere. */
function detokenizer(vocabulary: readonly Uint8Array[]) {
  const bytes = (tokens: readonly number[]) => tokens.flatMap((t) => [...vocabulary[t]!]);
  return (tokens: readonly number[], before: readonly number[]) => {
    const decode = (list: number[]) => new TextDecoder().decode(Uint8Array.from(list));
    const known = decode(bytes(before));
    const all = decode([...bytes(before), ...bytes(tokens)]);
    return all.startsWith(known) ? all.slice(known.length) : decode(bytes(tokens));
  };
}

it("the detokenizer returns the whole text in whole characters, however their bytes are spread over tokens", () => {
  const text = fc.string({ unit: fc.constantFrom("a", " ", "é", "漢", "😀", "👩‍🚀"), maxLength: 30 });
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }), (whole, sizes) => {
      const bytes = new TextEncoder().encode(whole);
      const vocabulary: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        vocabulary.push(bytes.slice(at, at + sizes[i % sizes.length]!));
        at += sizes[i % sizes.length]!;
      }
      const stream = new IncrementalDetokenizer(detokenizer(vocabulary), []);
      const pieces = vocabulary.map((_, token) => stream.push(token));
      expect(pieces.join("")).toBe(whole);
      for (const piece of pieces) expect(piece.isWellFormed() && !piece.includes("\uFFFD")).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

it("the detokenizer returns bytes that form no character as replacement characters and recovers after them", () => {
  const vocabulary = [Uint8Array.of(0xff), Uint8Array.of(0xc3), new TextEncoder().encode("ok")];
  const stream = new IncrementalDetokenizer(detokenizer(vocabulary), []);
  const broken = Array.from({ length: 40 }, () => stream.push(0)).join("");
  expect(broken).toMatch(/^\uFFFD{30,40}$/);
  expect(stream.push(2)).toMatch(/^\uFFFD{0,3}ok$/);
  expect(stream.push(1)).toBe("");
  expect(stream.push(2)).toBe("\uFFFDok");
});
