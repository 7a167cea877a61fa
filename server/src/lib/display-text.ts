import { badRequest } from "./errors.ts";

const MAX_DISPLAY_NAME_CHARS = 63;
const MAX_ANNOTATIONS = 64;
const MAX_ANNOTATION_KEY_CHARS = 63;
const MAX_ANNOTATION_VALUE_CHARS = 1_000;

/**
 * Characters that are refused in displayed text: control characters and lone surrogates, which can't be stored, line
 * separators, and bidirectional marks, with which one name can imitate another.
 */
const UNSHOWABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

/**
 * Checks a text of one or more lines.
 * @param maxChars in code points.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function checkText(field: string, text: string, maxChars: number): void {
  checkLine(field, text.replaceAll(/[\n\r\t]/g, " "), maxChars);
}

/** Checks a display name of at most 63 characters. @throws AppError BAD_REQUEST naming the field. */
export function checkDisplayName(field: string, text: string): void {
  checkLine(field, text, MAX_DISPLAY_NAME_CHARS);
}

/**
 * Checks annotations: at most 64, with keys of 1–63 and values of up to 1,000 characters.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function checkAnnotations(field: string, annotations: Readonly<Record<string, string>>): void {
  const entries = Object.entries(annotations);
  if (entries.length > MAX_ANNOTATIONS)
    throw badRequest(field, `${field} holds more than ${MAX_ANNOTATIONS} entries.`);
  for (const [key, value] of entries) {
    if (key === "") throw badRequest(field, `${field} has an entry without a name.`);
    checkLine(field, key, MAX_ANNOTATION_KEY_CHARS);
    checkText(field, value, MAX_ANNOTATION_VALUE_CHARS);
  }
}

function checkLine(field: string, text: string, maxChars: number): void {
  // A code point has at most two UTF-16 units, so very long texts are refused without counting code points.
  if (text.length > 2 * maxChars || [...text].length > maxChars) {
    throw badRequest(field, `${field} is longer than ${maxChars} characters.`);
  }
  if (UNSHOWABLE.test(text)) throw badRequest(field, `${field} holds a character that can't be shown.`);
}
