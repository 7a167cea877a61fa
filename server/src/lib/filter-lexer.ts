import { type AppError, badRequest } from "./errors.ts";

export interface FilterToken {
  kind: "field" | "comparator" | "value" | "and" | "or" | "not" | "(" | ")" | "end";
  /** The comparator itself, for comparators. */
  text: string;
  /** For values, see `FilterValue`. */
  pieces: string[];
  quoted: boolean;
  /** Parts of the name, for fields. */
  path: string[];
  /** Position of the first character, counted from 1. */
  position: number;
}

const SPACE = /[ \t\r\n]*/y;
const COMPARATOR = /<=|>=|!=|[=<>:]/y;
const WORD = /[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?/y;
const QUOTED = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/sy;
/** An unquoted value, such as `2025-01-31T00:00:00+02:00`, `-1.5`, `600s` or `llama*`. */
const BARE_VALUE = /[^\s()"',=<>!]+/y;
const KEYWORDS = { AND: "and", OR: "or", NOT: "not" } as const;

/** @param position counted from 1. */
export function filterError(position: number, problem: string): AppError {
  return badRequest("filter", `filter, position ${position}: ${problem}.`);
}

/** Splits a filter into tokens; the last is `end`. @throws AppError BAD_REQUEST naming filter. */
export function lexFilter(text: string): FilterToken[] {
  const tokens: FilterToken[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) return null;
    at += found.length;
    return found;
  };
  for (;;) {
    take(SPACE);
    const position = at + 1;
    const token: FilterToken = { kind: "end", text: "", pieces: [], quoted: false, path: [], position };
    tokens.push(token);
    if (at === text.length) return tokens;
    const before = tokens.at(-2)?.kind;
    if (before === "comparator") {
      Object.assign(token, { kind: "value" }, takeValue(take, position));
    } else if (text[at] === "(" || text[at] === ")") {
      token.kind = text[at] as "(" | ")";
      at += 1;
    } else if (before === "field") {
      const comparator = take(COMPARATOR);
      if (comparator === null) throw filterError(position, "expected one of = != < <= > >= :");
      Object.assign(token, { kind: "comparator", text: comparator });
    } else if (text[at] === "-") {
      token.kind = "not";
      at += 1;
    } else {
      const path = takePath(take, position);
      const word = path.length === 1 ? (path[0] as keyof typeof KEYWORDS) : null;
      const keyword = word !== null && Object.hasOwn(KEYWORDS, word) ? KEYWORDS[word] : null;
      if (keyword === null) Object.assign(token, { kind: "field", path });
      else token.kind = keyword;
    }
  }
}

type TakeMatch = (pattern: RegExp) => string | null;

function takeValue(take: TakeMatch, position: number): { pieces: string[]; quoted: boolean } {
  const quoted = take(QUOTED);
  if (quoted !== null) return { pieces: unquote(quoted, position), quoted: true };
  const bare = take(BARE_VALUE);
  if (bare === null) throw filterError(position, "expected a value; text with other signs needs quotes");
  return { pieces: checked(bare, position).split("*"), quoted: false };
}

/** `a.b`, `labels.my-key`, `labels."any key"`. */
function takePath(take: TakeMatch, position: number): string[] {
  const path: string[] = [];
  do {
    const word = take(WORD);
    const quoted = word === null && path.length > 0 ? take(QUOTED) : null;
    const part = word ?? (quoted === null ? null : unquote(quoted, position).join("*"));
    if (part === null) throw filterError(position, "expected a field's name, NOT or a parenthesis");
    path.push(part);
  } while (take(/\./y) !== null);
  return path;
}

/**
 * Removes quotes and escapes, and splits at the wildcards. A backslash escapes any character, including the wildcard.
 */
function unquote(quoted: string, position: number): string[] {
  const pieces = [""];
  for (const [part] of checked(quoted, position).slice(1, -1).matchAll(/\\?./gsu)) {
    if (part === "*") pieces.push("");
    else pieces[pieces.length - 1] += part.startsWith("\\") ? part.slice(1) : part;
  }
  return pieces;
}

/** Refuses characters that PostgreSQL can't store. */
function checked(text: string, position: number): string {
  if (text.includes("\0") || !text.isWellFormed()) {
    throw filterError(position, "the value holds a character that no text can hold");
  }
  return text;
}
