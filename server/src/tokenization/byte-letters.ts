/** Byte-level vocabularies write each byte as a letter: a printable one as itself, the others from U+0100 on. */
export const BYTE_LETTERS: readonly string[] = makeByteLetters();

function makeByteLetters(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : 0x100 + unprintable++),
  );
}

/** The UTF-8 bytes of a text as letters. */
export function byteLetters(text: string): string {
  let letters = "";
  for (const byte of Buffer.from(text)) letters += BYTE_LETTERS[byte];
  return letters;
}
