import { type CharSet, complement, contains, fromRanges, intersect } from "./char-set.ts";
import { alt, EMPTY, type Expr, type Rules, seq } from "./expression.ts";

export interface GbnfLimits {
  maxBytes: number;
  maxRules: number;
  /** Levels of nested parentheses. */
  maxDepth: number;
  /** Symbols after repetitions are expanded as the engine expands them. */
  maxElements: number;
}

export const GBNF_LIMITS: GbnfLimits = {
  maxBytes: 256 * 1024,
  maxRules: 10_000,
  maxDepth: 100,
  maxElements: 200_000,
};

/** The engine reads a higher bound as "unbounded", so the parser refuses higher ones. */
export const MAX_ENGINE_REPEAT = 2000;

const MAX_NAME_LENGTH = 200;
/** Names may contain `_`, which llama.cpp does not accept: `withEngineNames` replaces it. */
const NAME_CHARACTER = /[a-zA-Z0-9_-]/;

/** A refused grammar with the position of the problem. `line` and `column` count from 1; columns are UTF-16 units. */
export class GrammarError extends Error {
  readonly line: number;
  readonly column: number;
  /** The text or rule that would be accepted there: `")"`, `a rule named root`. */
  readonly expected: string;

  constructor(source: string, at: number, problem: string, expected: string) {
    const before = source.slice(0, at).split("\n");
    const column = before.at(-1)!.length + 1;
    super(`line ${before.length}, column ${column}: ${problem}; expected ${expected}`);
    this.name = "GrammarError";
    this.line = before.length;
    this.column = column;
    this.expected = expected;
  }

  /** Recreates an error that came from another process as plain data. */
  static from(fields: Pick<GrammarError, "line" | "column" | "expected" | "message">): GrammarError {
    const { line, column, expected, message } = fields;
    return Object.assign(new GrammarError("", 0, "", ""), { line, column, expected, message });
  }
}

/** The characters that an output may contain: all but NUL. */
const OUTPUT: CharSet = complement([0, 0]);

/**
 * Parses GBNF as the engine does, without checking the rules against each other.
 * @returns the rules, and the offset at which each is defined.
 * @throws GrammarError
 */
export function parseRules(
  source: string,
  limits: GbnfLimits,
): { rules: Rules; offsets: Map<string, number> } {
  if (Buffer.byteLength(source) > limits.maxBytes) {
    throw new GrammarError(source, 0, "the grammar is too large", `at most ${limits.maxBytes} bytes`);
  }
  return new GbnfParser(source, limits).parse();
}

class GbnfParser {
  readonly #source: string;
  readonly #limits: GbnfLimits;
  #at = 0;

  constructor(source: string, limits: GbnfLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  parse(): { rules: Rules; offsets: Map<string, number> } {
    const rules: Rules = new Map();
    const offsets = new Map<string, number>();
    this.#space(true);
    while (this.#at < this.#source.length) {
      const at = this.#at;
      const name = this.#name("a rule name");
      if (rules.has(name)) throw this.#error(`rule ${name} is defined twice`, "another name", at);
      if (rules.size === this.#limits.maxRules) {
        throw this.#error("too many rules", `at most ${this.#limits.maxRules}`, at);
      }
      this.#space(false);
      this.#take("::=");
      this.#space(true);
      offsets.set(name, at);
      rules.set(name, this.#alternatives(0));
      if (this.#at < this.#source.length && !/[\r\n]/.test(this.#peek())) {
        throw this.#unexpected("an item, | or the end of the line");
      }
      this.#space(true);
    }
    return { rules, offsets };
  }

  #alternatives(depth: number): Expr {
    const options = [this.#sequence(depth)];
    while (this.#peek() === "|") {
      this.#at++;
      this.#space(true);
      options.push(this.#sequence(depth));
    }
    return options.length === 1 ? options[0]! : alt(...options);
  }

  #sequence(depth: number): Expr {
    const items: Expr[] = [];
    for (;;) {
      const at = this.#at;
      const item = this.#item(depth);
      if (item === null) break;
      this.#space(depth > 0);
      items.push(this.#repeated(item, at, depth));
    }
    return seq(...items);
  }

  #item(depth: number): Expr | null {
    const char = this.#peek();
    if (char === '"') return this.#literal();
    if (char === "[") return this.#set();
    // The engine accepts token ids, but a token that the model lacks would leave no candidate at all.
    if (char === "<" || char === "!") throw this.#error("tokens cannot be named", "a literal, class or rule");
    if (char === "(") return this.#group(depth);
    if (char === ".") {
      this.#at++;
      return { kind: "set", set: OUTPUT };
    }
    if (char !== "" && "*+?{".includes(char)) throw this.#unexpected("an item before it");
    if (!NAME_CHARACTER.test(char)) return null;
    const at = this.#at;
    return { kind: "ref", name: this.#name("a rule name"), at };
  }

  #group(depth: number): Expr {
    if (depth >= this.#limits.maxDepth) {
      throw this.#error("too many nested parentheses", `at most ${this.#limits.maxDepth}`);
    }
    this.#at++;
    this.#space(true);
    const inner = this.#alternatives(depth + 1);
    this.#take(")");
    return inner;
  }

  #repeated(item: Expr, itemAt: number, depth: number): Expr {
    let result = item;
    for (;;) {
      const at = this.#at;
      const count = this.#count(depth);
      if (count === null) return result;
      if (result.kind === "seq" && result.items.length === 0 && this.#source[itemAt] === '"') {
        throw this.#error("an empty literal cannot be repeated", "a literal with text", itemAt);
      }
      result = count.max === 0 ? EMPTY : { kind: "repeat", item: result, ...count, at };
      this.#space(depth > 0);
    }
  }

  #count(depth: number): { min: number; max: number | null } | null {
    const char = this.#peek();
    if (char === "*" || char === "+" || char === "?") {
      this.#at++;
      return { min: char === "+" ? 1 : 0, max: char === "?" ? 1 : null };
    }
    if (char !== "{") return null;
    this.#at++;
    this.#space(depth > 0);
    const min = this.#number(depth);
    let max: number | null = min;
    if (this.#peek() === ",") {
      this.#at++;
      this.#space(depth > 0);
      const at = this.#at;
      max = /\d/.test(this.#peek()) ? this.#number(depth) : null;
      if (max !== null && max < min) {
        throw this.#error("the upper bound is below the lower one", `at least ${min}`, at);
      }
    } else if (this.#peek() !== "}") throw this.#unexpected('"," or "}"');
    this.#take("}");
    return { min, max };
  }

  #number(depth: number): number {
    const digits = /^\d+/.exec(this.#source.slice(this.#at, this.#at + 20))?.[0];
    if (digits === undefined) throw this.#unexpected("a number");
    if (Number(digits) > MAX_ENGINE_REPEAT) {
      throw this.#error("the repetition is too large", `a number of at most ${MAX_ENGINE_REPEAT}`);
    }
    this.#at += digits.length;
    this.#space(depth > 0);
    return Number(digits);
  }

  #literal(): Expr {
    const opened = this.#at++;
    let text = "";
    while (this.#peek() !== '"') {
      if (this.#at >= this.#source.length) throw this.#error("the literal has no end", 'a closing "', opened);
      const at = this.#at;
      const codePoint = this.#char();
      if (!contains(OUTPUT, codePoint)) throw this.#error("no output holds this character", "another", at);
      text += String.fromCodePoint(codePoint);
    }
    this.#at++;
    return text === "" ? EMPTY : { kind: "text", text };
  }

  #set(): Expr {
    const opened = this.#at++;
    const negated = this.#peek() === "^";
    if (negated) this.#at++;
    const ranges: [number, number][] = [];
    while (this.#peek() !== "]") {
      if (this.#at >= this.#source.length) throw this.#error("the class has no end", "a closing ]", opened);
      const at = this.#at;
      const lo = this.#char();
      let hi = lo;
      if (this.#peek() === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        if (this.#at >= this.#source.length) throw this.#error("the class has no end", "a closing ]", opened);
        hi = this.#char();
      }
      if (hi < lo) throw this.#error("the range runs backwards", "the lower character first", at);
      ranges.push([lo, hi]);
    }
    this.#at++;
    if (ranges.length === 0) throw this.#error("the class is empty", "at least one character", opened);
    const listed = fromRanges(ranges);
    const set = intersect(negated ? complement(listed) : listed, OUTPUT);
    if (set.length === 0) throw this.#error("no output holds a character of this class", "another", opened);
    return { kind: "set", set };
  }

  /** One character of a literal or class, escaped or not. */
  #char(): number {
    const codePoint = this.#source.codePointAt(this.#at)!;
    if (codePoint !== 0x5c) {
      this.#at += codePoint > 0xffff ? 2 : 1;
      return codePoint;
    }
    const letter = this.#source[this.#at + 1] ?? "";
    const digits = { x: 2, u: 4, U: 8 }[letter];
    if (digits !== undefined) {
      const hex = this.#source.slice(this.#at + 2, this.#at + 2 + digits);
      if (hex.length < digits || !/^[0-9a-fA-F]+$/.test(hex)) {
        throw this.#error(`bad escape \\${letter}`, `${digits} hexadecimal digits`, this.#at + 2);
      }
      const value = Number.parseInt(hex, 16);
      if (value > 0x10ffff) throw this.#error("no such character", "at most 10FFFF", this.#at + 2);
      this.#at += 2 + digits;
      return value;
    }
    const simple = { n: 10, r: 13, t: 9, "\\": 0x5c, '"': 0x22, "[": 0x5b, "]": 0x5d, "-": 0x2d }[letter];
    if (simple === undefined) {
      throw this.#error("unknown escape", 'one of \\n \\r \\t \\" \\\\ \\[ \\] \\- \\x \\u \\U');
    }
    this.#at += 2;
    return simple;
  }

  #name(expected: string): string {
    const from = this.#at;
    while (NAME_CHARACTER.test(this.#peek())) this.#at++;
    if (this.#at === from) throw this.#unexpected(expected);
    if (this.#at - from > MAX_NAME_LENGTH) {
      throw this.#error("the name is too long", `at most ${MAX_NAME_LENGTH} characters`, from);
    }
    return this.#source.slice(from, this.#at);
  }

  /** Skips blanks and comments. @param lineEnds whether to skip line ends too. */
  #space(lineEnds: boolean): void {
    for (;;) {
      const char = this.#peek();
      if (char === "#") {
        while (this.#at < this.#source.length && !/[\r\n]/.test(this.#peek())) this.#at++;
      } else if (char === " " || char === "\t" || (lineEnds && (char === "\r" || char === "\n"))) this.#at++;
      else return;
    }
  }

  #take(text: string): void {
    if (!this.#source.startsWith(text, this.#at)) throw this.#unexpected(`"${text}"`);
    this.#at += text.length;
  }

  #peek(): string {
    return this.#source[this.#at] ?? "";
  }

  #unexpected(expected: string): GrammarError {
    const char = this.#source.codePointAt(this.#at);
    if (char === undefined) return this.#error("the grammar ends too early", expected);
    return this.#error(`unexpected ${JSON.stringify(String.fromCodePoint(char))}`, expected);
  }

  #error(problem: string, expected: string, at = this.#at): GrammarError {
    return new GrammarError(this.#source, at, problem, expected);
  }
}
