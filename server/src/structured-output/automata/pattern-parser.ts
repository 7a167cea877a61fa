import {
  type CharSet,
  charsOf,
  complement,
  EMPTY_SET,
  fromRanges,
  range,
  UNICODE,
  union,
} from "../gbnf/char-set.ts";

/** A regular expression in the strict sense: no look-around, no back references. */
export type Pattern =
  | { kind: "set"; set: CharSet }
  | { kind: "seq"; items: readonly Pattern[] }
  | { kind: "alt"; options: readonly Pattern[] }
  | { kind: "repeat"; item: Pattern; min: number; max: number | null }
  /** `^` and `$`. */
  | { kind: "start" }
  | { kind: "end" };

const MAX_DEPTH = 50;
const MAX_LENGTH = 4_000;

const DIGIT = range(0x30, 0x39);
const WORD = union(DIGIT, range(0x41, 0x5a), range(0x61, 0x7a), range(0x5f));
const SPACE = union(
  range(0x09, 0x0d),
  charsOf("\u0020\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"),
  range(0x2000, 0x200a),
);
const LINE_ENDS = charsOf("\n\r\u2028\u2029");
const CLASSES: Record<string, CharSet> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROLS: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

class UnsupportedPatternError extends Error {}

/**
 * The syntax of a valid pattern: `unicode` with the flag `u`, as JSON Schema recommends; `legacy` when it is valid only
 * without the flag, which takes `\:`, `\_` and a lone `{` for literals. Null: the pattern is not valid.
 */
export function patternSyntax(source: string): "unicode" | "legacy" | null {
  if (compiles(source, "u")) return "unicode";
  return compiles(source, "") ? "legacy" : null;
}

function compiles(source: string, flags: string): boolean {
  try {
    new RegExp(source, flags);
    return true;
  } catch {
    return false;
  }
}

/**
 * Parses a valid pattern of a JSON schema, an ECMAScript regular expression.
 * @returns null for a pattern outside the supported subset: look-around, `\b`, back references, `\p`.
 */
export function parsePattern(source: string): Pattern | null {
  if (source.length > MAX_LENGTH) return null;
  try {
    return new PatternParser(source, patternSyntax(source) === "legacy").parse();
  } catch (error) {
    if (error instanceof UnsupportedPatternError) return null;
    throw error;
  }
}

/** Parses one of the compiler's own patterns, anchored to match the whole text. */
export function parseAnchoredPattern(source: string): Pattern {
  return {
    kind: "seq",
    items: [{ kind: "start" }, new PatternParser(source, false).parse(), { kind: "end" }],
  };
}

class PatternParser {
  readonly #chars: string[];
  /** Whether the syntax is that without the flag `u`. */
  readonly #legacy: boolean;
  #at = 0;

  constructor(source: string, legacy: boolean) {
    this.#chars = [...source];
    this.#legacy = legacy;
  }

  parse(): Pattern {
    const pattern = this.#alternatives(0);
    if (this.#at < this.#chars.length) throw new UnsupportedPatternError();
    return pattern;
  }

  #alternatives(depth: number): Pattern {
    if (depth > MAX_DEPTH) throw new UnsupportedPatternError();
    const options = [this.#sequence(depth)];
    while (this.#take("|")) options.push(this.#sequence(depth));
    return options.length === 1 ? options[0]! : { kind: "alt", options };
  }

  #sequence(depth: number): Pattern {
    const items: Pattern[] = [];
    while (this.#at < this.#chars.length && !"|)".includes(this.#peek())) {
      const item = this.#item(depth);
      const count = this.#count();
      if (count !== null && (item.kind === "start" || item.kind === "end"))
        throw new UnsupportedPatternError();
      items.push(count === null ? item : { kind: "repeat", item, ...count });
    }
    return items.length === 1 ? items[0]! : { kind: "seq", items };
  }

  #item(depth: number): Pattern {
    const char = this.#next();
    if (char === "^") return { kind: "start" };
    if (char === "$") return { kind: "end" };
    if (char === ".") return { kind: "set", set: complement(LINE_ENDS) };
    if (char === "[") return { kind: "set", set: this.#class() };
    if (char === "\\") return { kind: "set", set: this.#escape(false) };
    if (char === "(") {
      if (this.#take("?") && !this.#take(":")) this.#groupName();
      const inner = this.#alternatives(depth + 1);
      if (!this.#take(")")) throw new UnsupportedPatternError();
      return inner;
    }
    if ("*+?)".includes(char)) throw new UnsupportedPatternError();
    return { kind: "set", set: charsOf(char) };
  }

  #groupName(): void {
    if (!this.#take("<") || "=!".includes(this.#peek())) throw new UnsupportedPatternError();
    while (this.#next() !== ">");
  }

  #count(): { min: number; max: number | null } | null {
    const char = this.#peek();
    let count: { min: number; max: number | null };
    if (char === "*" || char === "+" || char === "?") {
      this.#at++;
      count = { min: char === "+" ? 1 : 0, max: char === "?" ? 1 : null };
    } else if (char === "{") {
      const end = this.#chars.indexOf("}", this.#at);
      const match = /^(\d{1,9})(,?)(\d{0,9})$/.exec(this.#chars.slice(this.#at + 1, end).join(""));
      if (end === -1 || match === null) {
        // Without the flag `u` a brace that begins no count is a literal.
        if (this.#legacy && this.#braceIsLiteral()) return null;
        throw new UnsupportedPatternError();
      }
      this.#at = end + 1;
      const min = Number(match[1]);
      count = { min, max: match[2] === "" ? min : match[3] === "" ? null : Number(match[3]) };
    } else return null;
    // A lazy quantifier matches the same texts.
    this.#take("?");
    return count;
  }

  /** Whether the brace here begins no count; the counts that this parser supports are shorter than the syntax allows. */
  #braceIsLiteral(): boolean {
    return !/^\{\d+(?:,\d*)?\}/.test(this.#chars.slice(this.#at).join(""));
  }

  #class(): CharSet {
    const negated = this.#take("^");
    let result: CharSet = EMPTY_SET;
    while (!this.#take("]")) {
      const from = this.#classItem();
      if (
        this.#peek() === "-" &&
        this.#chars[this.#at + 1] !== "]" &&
        from.length === 2 &&
        from[0] === from[1]
      ) {
        this.#at++;
        const to = this.#classItem();
        if (to[0] !== to[1] || to.length !== 2) {
          if (!this.#legacy) throw new UnsupportedPatternError();
          // Without the flag `u` the hyphen beside a class such as `\\w` is a literal.
          result = union(result, from, charsOf("-"), to);
          continue;
        }
        result = union(result, fromRanges([[from[0]!, to[0]!]]));
      } else result = union(result, from);
    }
    return negated ? complement(result) : result;
  }

  #classItem(): CharSet {
    const char = this.#next();
    return char === "\\" ? this.#escape(true) : charsOf(char);
  }

  #escape(inClass: boolean): CharSet {
    const char = this.#next();
    if (Object.hasOwn(CLASSES, char)) return CLASSES[char]!;
    if (Object.hasOwn(CONTROLS, char)) return range(CONTROLS[char]!);
    if (char === "b" && inClass) return range(8);
    if (this.#legacy && !(char === "x" ? this.#isHex(2) : char === "u" ? this.#isHex(4) : false)) {
      return this.#legacyEscape(char);
    }
    if (char === "x") return range(this.#hex(2));
    if (char === "c") return range(this.#next().codePointAt(0)! % 32);
    if (char === "u") return this.#unicode();
    if (/[a-zA-Z0-9]/.test(char)) throw new UnsupportedPatternError();
    return charsOf(char);
  }

  /** An escape that is valid only without the flag `u`: the character itself, but for back references and octal numbers. */
  #legacyEscape(char: string): CharSet {
    if (/[0-9bBck]/.test(char)) throw new UnsupportedPatternError();
    return charsOf(char);
  }

  #isHex(digits: number): boolean {
    const hex = this.#chars.slice(this.#at, this.#at + digits).join("");
    return hex.length === digits && /^[0-9a-fA-F]+$/.test(hex);
  }

  #unicode(): CharSet {
    if (!this.#take("{")) {
      const unit = this.#hex(4);
      if (unit < 0xd800 || unit > 0xdfff) return range(unit);
      if (!this.#take("\\") || !this.#take("u")) throw new UnsupportedPatternError();
      const low = this.#hex(4);
      return charsOf(String.fromCharCode(unit, low));
    }
    const end = this.#chars.indexOf("}", this.#at);
    const hex = this.#chars.slice(this.#at, end).join("");
    if (end === -1 || !/^[0-9a-fA-F]{1,6}$/.test(hex)) throw new UnsupportedPatternError();
    this.#at = end + 1;
    return fromRanges([[Number.parseInt(hex, 16), Number.parseInt(hex, 16)]]).filter((c) => c <= 0x10ffff);
  }

  #hex(digits: number): number {
    if (!this.#isHex(digits)) throw new UnsupportedPatternError();
    const hex = this.#chars.slice(this.#at, this.#at + digits).join("");
    this.#at += digits;
    return Number.parseInt(hex, 16);
  }

  #peek(): string {
    return this.#chars[this.#at] ?? "";
  }

  #next(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new UnsupportedPatternError();
    return char;
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

export const ANY_CHAR: Pattern = { kind: "set", set: UNICODE };
