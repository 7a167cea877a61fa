import { isUtf8 } from "node:buffer";
import { sanitizeForMessage } from "../../../lib/field-names.ts";
import { RowError } from "./row-error.ts";

export type JsonObject = { [key: string]: unknown };

/** Far above any real row, far below what overflows a recursive reader. */
const MAX_DEPTH = 100;
/** A line of nothing but values takes about twenty times its size in memory. */
const MAX_VALUES = 500_000;

/** The object on one line. @throws RowError */
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
    // Half a surrogate can only come from an escape.
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
 * Refuses what JSON.parse would pass or choke on: repeated keys, deep nesting, floods of values. Text that is not JSON
 * gets through.
 */
function checkStructure(text: string): void {
  /** The keys of every open object so far; null for an open array. */
  const open: (Set<string> | null)[] = [];
  let values = 0;
  /** The string read last, quotes included, until something follows it that makes it a key. */
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

/** Index of the quote that ends the string begun at `from`, -1 when none does. */
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
