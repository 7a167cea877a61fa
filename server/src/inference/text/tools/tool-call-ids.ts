import { randomBytes } from "node:crypto";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM_CHARS = 24;
/** Rejection sampling: bytes from here on are skipped, because they would make some characters likelier than others. */
const FAIR_BYTES = 256 - (256 % ALPHABET.length);

/** A new id of a tool call: `call_` and 24 random letters and digits (142 bits). */
export function newToolCallId(): string {
  let id = "call_";
  while (id.length < 5 + RANDOM_CHARS) {
    for (const byte of randomBytes(RANDOM_CHARS)) {
      if (byte < FAIR_BYTES && id.length < 5 + RANDOM_CHARS) id += ALPHABET[byte % ALPHABET.length];
    }
  }
  return id;
}
