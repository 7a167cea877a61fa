import { expect, it } from "vitest";
import { pieceBytes } from "./token-bytes.ts";

it("pieceBytes reads both forms in which vocabularies write bytes", () => {
  expect(pieceBytes("<0xE2>")).toEqual(Uint8Array.of(0xe2));
  expect(pieceBytes("Ġa")).toEqual(Uint8Array.of(0x20, 0x61));
  expect(pieceBytes("ðŁĺĢ")).toEqual(Uint8Array.from(Buffer.from("😀")));
  expect(pieceBytes("▁a")).toBeNull();
  expect(pieceBytes("")).toBeNull();
});

it("pieceBytes has a character for every byte", () => {
  const texts = new Set<string>();
  for (let code = 0; code < 0x180; code++) {
    const bytes = pieceBytes(String.fromCharCode(code));
    if (bytes !== null) texts.add(bytes.join());
  }
  expect(texts.size).toBe(256);
});
