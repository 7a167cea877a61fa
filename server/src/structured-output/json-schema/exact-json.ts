import { compareDecimals, type Decimal, ExactNumber, parseDecimal, toDecimal } from "./decimal.ts";
import type { Json, JsonObject } from "./schema-document.ts";

/** The names of an object's members in the order of its text, where JavaScript's own order differs. */
const declaredOrder = new WeakMap<object, readonly string[]>();

/** Texts without such a number or name are left to JSON.parse. */
const NEEDS_CARE = /\d[\d.]{15}|"(?:\d|\\u003\d)+"\s*:/i;

/**
 * Parses JSON and keeps what JSON.parse loses: numbers that no double holds become an ExactNumber, and `memberNames` gives
 * the names in the order of the text.
 * @param maxDepth deeper values are left to JSON.parse, because this parser is recursive.
 * @throws SyntaxError
 */
export function parseExactJson(text: string, maxDepth: number): Json {
  const value = JSON.parse(text) as Json;
  return NEEDS_CARE.test(text) && depthWithin(text, maxDepth) ? new ExactParser(text).parse() : value;
}

/** The names of the object's members in the order of its text. */
export function memberNames(object: JsonObject): readonly string[] {
  return declaredOrder.get(object) ?? Object.keys(object);
}

/** An upper bound of the depth: brackets in strings count too. */
function depthWithin(text: string, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (inString) {
      if (char === "\\") at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "{" || char === "[") {
      if (++depth > maxDepth) return false;
    } else if (char === "}" || char === "]") depth--;
  }
  return true;
}

const STRING = /"(?:[^"\\]|\\.)*"/y;
const SCALAR = /[^\s,\]}]+/y;

/** Parses a text that JSON.parse accepts. */
class ExactParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Json {
    this.#space();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"':
        return this.#string();
      default: {
        const text = this.#take(SCALAR);
        return /^[-\d]/.test(text) ? exactNumber(text) : (JSON.parse(text) as Json);
      }
    }
  }

  #object(): JsonObject {
    const members = new Map<string, Json>();
    this.#at++;
    while (!this.#ends("}")) {
      const name = this.#string();
      this.#space();
      this.#at++;
      members.set(name, this.parse());
    }
    // `fromEntries` makes a name such as __proto__ an ordinary member.
    const object = Object.fromEntries(members);
    if (Object.keys(object).some((name) => /^\d/.test(name))) declaredOrder.set(object, [...members.keys()]);
    return object;
  }

  #array(): Json[] {
    const items: Json[] = [];
    this.#at++;
    while (!this.#ends("]")) items.push(this.parse());
    return items;
  }

  /** Whether the list ends here; else the next item follows. */
  #ends(close: "}" | "]"): boolean {
    this.#space();
    if (this.#text[this.#at] === ",") this.#at++;
    this.#space();
    if (this.#text[this.#at] !== close) return false;
    this.#at++;
    return true;
  }

  #string(): string {
    return JSON.parse(this.#take(STRING)) as string;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)![0];
    this.#at += found.length;
    return found;
  }

  #space(): void {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "?")) this.#at++;
  }
}

/** The double where writing it again gives the same value; else an ExactNumber. */
function exactNumber(text: string): number | ExactNumber {
  const value = Number(text);
  if (!Number.isFinite(value)) return value;
  const decimal: Decimal | null = parseDecimal(text);
  return decimal === null || compareDecimals(decimal, toDecimal(value)) === 0
    ? value
    : new ExactNumber(text, decimal);
}
