import { randomBytes } from "node:crypto";
import { badRequest } from "./errors.ts";

const NEW_ID = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Checks the id of a new resource. Existing ids may follow other rules, so call this only on creation.
 * @param field field or query parameter of the id, for error messages.
 * @throws AppError BAD_REQUEST naming `field`.
 */
export function checkNewId(field: string, id: string): void {
  if (NEW_ID.test(id)) return;
  const rule = "1 to 63 characters a-z, 0-9 and hyphen, the first a letter, the last no hyphen";
  throw badRequest(field, `${field} must be ${rule}.`);
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyz012345";

/** A random id that follows the rules of `checkNewId`: 16 characters, 79 random bits. */
export function randomId(): string {
  const bytes = randomBytes(16);
  let id = LETTERS[bytes[0]! % LETTERS.length]!;
  for (const byte of bytes.subarray(1)) id += LETTERS_AND_DIGITS[byte % 32]!;
  return id;
}
