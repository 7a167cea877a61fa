import { TemplateError } from "./errors.ts";
import { compare, Dict, Float, floatText, integerText, Tuple, typeName, type Value } from "./values.ts";

export interface JsonOptions {
  ensureAscii: boolean;
  /** White space of one level; null: all on one line. */
  indent: string | null;
  /** Between items, and between key and value; null: Python's. */
  separators: readonly [string, string] | null;
  sortKeys: boolean;
}

/** Python's `json.dumps`. @throws TemplateError for a value that JSON doesn't have. */
export function toJson(value: Value, options: JsonOptions, onValue: () => void): string {
  const { indent, ensureAscii } = options;
  const [itemSeparator, keySeparator] = options.separators ?? [indent === null ? ", " : ",", ": "];
  const text = (string: string): string => {
    const json = JSON.stringify(string);
    // JavaScript escapes lone surrogates, too, as Python does with ensure_ascii alone; no valid text has them.
    if (!ensureAscii) return json;
    return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  };
  const list = (open: string, items: readonly string[], close: string, depth: number): string => {
    if (items.length === 0) return open + close;
    if (indent === null) return open + items.join(itemSeparator) + close;
    const outer = `\n${indent.repeat(depth)}`;
    const inner = outer + indent;
    return open + inner + items.join(itemSeparator + inner) + outer + close;
  };
  const write = (item: Value, depth: number): string => {
    onValue();
    if (typeof item === "string") return text(item);
    if (Array.isArray(item) || item instanceof Tuple) {
      const items = Array.isArray(item) ? item : item.items;
      return list(
        "[",
        items.map((member) => write(member, depth + 1)),
        "]",
        depth,
      );
    }
    if (item instanceof Dict) {
      const entries = item.entries();
      if (options.sortKeys) entries.sort(([a], [b]) => compare(a, b));
      const members = entries.map(
        ([key, member]) => text(keyText(key)) + keySeparator + write(member, depth + 1),
      );
      return list("{", members, "}", depth);
    }
    return scalar(item);
  };
  return write(value, 0);
}

function keyText(key: Value): string {
  return typeof key === "string" ? key : scalar(key, "keys must be str, int, float, bool or None, not ");
}

function scalar(value: Value, refusal = "Object is not JSON serializable: "): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return integerText(value);
  if (value instanceof Float) {
    const special: Readonly<Record<string, string>> = { nan: "NaN", inf: "Infinity", "-inf": "-Infinity" };
    const written = floatText(value.value);
    return special[written] ?? written;
  }
  throw new TemplateError(refusal + typeName(value));
}
