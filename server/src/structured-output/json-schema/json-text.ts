import { COLON, COMMA } from "./grammar-rules.ts";
import { isObject, type Json } from "./schema-document.ts";

/** The value as JSON, with the blanks and escapes of the grammars. */
export function jsonText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonText).join(COMMA)}]`;
  if (!isObject(value)) return typeof value === "string" ? stringText(value) : JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => stringText(key) + COLON + jsonText(item))
    .join(COMMA)}}`;
}

/** Escapes DEL, as all grammars do. */
export function stringText(value: string): string {
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}
