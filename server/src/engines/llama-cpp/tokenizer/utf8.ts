import { type CharSet, EMPTY_SET, intersect, UNICODE } from "../../../structured-output/gbnf/char-set.ts";

/** How many leading bytes form whole characters; the bytes after them begin another. */
export function wholeCharacterBytes(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at >= Math.max(0, bytes.length - 3); at--) {
    if (isContinuationByte(bytes[at]!)) continue;
    return at + characterBytes(bytes[at]!) > bytes.length ? at : bytes.length;
  }
  return bytes.length;
}

/** Length of the character that begins with this byte. */
function characterBytes(first: number): number {
  return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/**
 * The characters whose encoding begins with these bytes.
 * @param bytes 1–3 bytes of an incomplete character; the second and third must be continuation bytes.
 */
export function charactersStartingWith(bytes: Uint8Array): CharSet {
  const [first = 0, ...continuations] = bytes;
  if (first < 0xc0 || first > 0xf4) return EMPTY_SET;
  const length = characterBytes(first);
  let low = first & (0xff >> (length + 1));
  for (const byte of continuations) low = low * 64 + (byte & 0x3f);
  const span = 64 ** (length - bytes.length);
  // UTF-8 forbids overlong encodings, so smaller code points are not written with this many bytes.
  const least = [0, 0, 0x80, 0x800, 0x10000][length]!;
  const [lowest, highest] = [Math.max(low * span, least), low * span + span - 1];
  return lowest > highest ? EMPTY_SET : intersect([lowest, highest], UNICODE);
}

export function isContinuationByte(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
