import { isUtf8 } from "node:buffer";
import { sanitizeForMessage } from "../../../lib/field-names.ts";
import { RowError } from "./row-error.ts";

export type JsonObject = { [key: string]: unknown };

/** Far deeper than any real row, and far from overflowing the stack of a recursive parser. */
const MAX_DEPTH = 100;
/** Bounds memory: parsed, a line of many small values takes about twenty times its size. */
const MAX_VALUES = 500_000;

/** Parses the JSON object on one line. @throws RowError */
export function parseLine(line: Buffer): JsonObject {
  if (!isUtf8(line)) throw new RowError("is not valid UTF-8");
  const text = line.toString("utf8");
  checkStructure(text);
  const value = parse(text);
  if (!isObject(value)) {
    throw new RowError(`must be a JSON object, not ${Array.isArray(value) ? "an array" : "a single value"}`);
  }
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    // The line is valid UTF-8, so half of a surrogate pair can only come from an escape.
    if (!/\\u[dD][89a-fA-F]/.test(text)) return JSON.parse(text);
    return JSON.parse(text, refuseHalfSurrogates);
  } catch (error) {
    if (error instanceof RowError) throw error;
    // The parser's message quotes the row, so only the position is kept.
    const { message } = error as Error;
    if (message.includes("end of JSON input")) {
      throw new RowError("is not complete JSON: a JSONL file holds one object on each line");
    }
    const position = /at position (\d+)/.exec(message)?.[1];
    const column = position === undefined ? "" : `, at column ${Number(position) + 1}`;
    throw new RowError(`is not valid JSON${column}`);
  }
}

function refuseHalfSurrogates(key: string, value: unknown): unknown {
  if (!key.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) {
    throw new RowError("holds half of a surrogate pair");
  }
  return value;
}

/**
 * Refuses JSON that JSON.parse accepts but that is unsafe: repeated keys, deep nesting, too many values. It does not
 * refuse text that is not JSON; JSON.parse does.
 */
function checkStructure(text: string): void {
  /** Keys so far of each open object, outermost first; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let values = 0;
  /** The last string, quotes included. It is a key when a colon follows. */
  let quoted: string | null = null;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"': {
        const from = i;
        i = endOfString(text, from);
        if (i === -1) return;
        quoted = text.slice(from, i + 1);
        break;
      }
      case ":":
        if (quoted !== null) addKey(open.at(-1) ?? null, quoted);
        quoted = null;
        break;
      case "{":
      case "[":
        open.push(text[i] === "{" ? new Set() : null);
        if (open.length > MAX_DEPTH) throw new RowError(`is nested deeper than ${MAX_DEPTH} levels`);
        if (++values > MAX_VALUES) throw new RowError(`holds more than ${MAX_VALUES} values`);
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case ",":
        if (++values > MAX_VALUES) throw new RowError(`holds more than ${MAX_VALUES} values`);
    }
  }
}

/** Index of the quote that ends the string that starts at `from`; -1 when there is none. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}

function addKey(keys: Set<string> | null, quoted: string): void {
  if (keys === null) return;
  let key = quoted.slice(1, -1);
  if (key.includes("\\")) {
    try {
      key = JSON.parse(quoted);
    } catch {
      return;
    }
  }
  if (keys.has(key)) throw new RowError(`has the key ${sanitizeForMessage(key)} twice in one object`);
  keys.add(key);
}
