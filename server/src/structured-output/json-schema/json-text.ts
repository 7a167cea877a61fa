import { COLON, COMMA } from "./grammar-rules.ts";
import { isObject, type Json } from "./schema-document.ts";

/** The value as the grammars write it. */
export function jsonText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonText).join(COMMA)}]`;
  if (!isObject(value)) return typeof value === "string" ? stringText(value) : JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => stringText(key) + COLON + jsonText(item))
    .join(COMMA)}}`;
}

/** DEL is escaped as in all strings that grammars write. */
export function stringText(value: string): string {
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}
