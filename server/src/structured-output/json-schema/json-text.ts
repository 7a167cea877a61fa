import { ExactNumber } from "./decimal.ts";
import { memberNames } from "./exact-json.ts";
import { COLON, COMMA } from "./grammar-rules.ts";
import { isObject, type Json } from "./schema-document.ts";

/** The value as JSON, with the blanks and escapes of the grammars, and its numbers and order as they were declared. */
export function jsonText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonText).join(COMMA)}]`;
  if (value instanceof ExactNumber) return value.text;
  if (!isObject(value)) return typeof value === "string" ? stringText(value) : JSON.stringify(value);
  return `{${memberNames(value)
    .map((key) => stringText(key) + COLON + jsonText(value[key]!))
    .join(COMMA)}}`;
}

/** Escapes DEL, as all grammars do. */
export function stringText(value: string): string {
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}
