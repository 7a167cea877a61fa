import { type AppError, badRequest } from "./errors.ts";
import { type FilterToken, filterError, lexFilter } from "./filter-lexer.ts";

export type Comparator = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":";

/** A literal on the right side of a comparison. */
export interface FilterValue {
  /** The text, split at its wildcards `*`. */
  pieces: string[];
  /** Written in quotes. */
  quoted: boolean;
  /** Position of the first character, counted from 1. */
  position: number;
}

export type FilterNode =
  | { op: "and" | "or"; terms: FilterNode[] }
  | { op: "not"; term: FilterNode }
  | {
      op: "compare";
      /** The field's name, split at the dots, as written. */
      path: string[];
      comparator: Comparator;
      value: FilterValue;
      position: number;
    };

const MAX_FILTER_LENGTH = 4_096;
/** Bounds the SQL that a filter is compiled to: one condition for each comparison. */
export const MAX_FILTER_TERMS = 100;
/** Bounds the recursion: most nested parentheses. */
export const MAX_FILTER_DEPTH = 20;

/**
 * Parses an AIP-160 filter. As AIP-160 demands, `OR` binds tighter than `AND`, and adjacent terms are joined by `AND`.
 * Null: the filter is empty.
 * @throws AppError BAD_REQUEST naming filter, with the position and what was expected there.
 */
export function parseFilter(text: string): FilterNode | null {
  if (text.length > MAX_FILTER_LENGTH) {
    throw badRequest("filter", `filter is longer than ${MAX_FILTER_LENGTH} characters.`);
  }
  return new FilterParser(lexFilter(text)).parse();
}

class FilterParser {
  readonly #tokens: readonly FilterToken[];
  #at = 0;
  #terms = 0;
  #depth = 0;

  /** @param tokens the last is `end`. */
  constructor(tokens: readonly FilterToken[]) {
    this.#tokens = tokens;
  }

  parse(): FilterNode | null {
    if (this.#peek().kind === "end") return null;
    const node = this.#expression();
    if (this.#peek().kind !== "end") throw this.#expected("AND, OR or the end");
    return node;
  }

  /** Parses factors that are joined by AND or adjacent, which means the same. */
  #expression(): FilterNode {
    const terms = [this.#factor()];
    for (;;) {
      const { kind } = this.#peek();
      if (kind === "and") this.#at += 1;
      else if (kind === "end" || kind === ")") break;
      terms.push(this.#factor());
    }
    return terms.length === 1 ? terms[0]! : { op: "and", terms };
  }

  #factor(): FilterNode {
    const terms = [this.#term()];
    while (this.#peek().kind === "or") {
      this.#at += 1;
      terms.push(this.#term());
    }
    return terms.length === 1 ? terms[0]! : { op: "or", terms };
  }

  #term(): FilterNode {
    if (this.#peek().kind !== "not") return this.#simple();
    this.#at += 1;
    return { op: "not", term: this.#simple() };
  }

  #simple(): FilterNode {
    const { kind, position } = this.#peek();
    if (kind !== "(") return this.#comparison();
    if (this.#depth === MAX_FILTER_DEPTH) {
      throw filterError(position, `parentheses are nested deeper than ${MAX_FILTER_DEPTH}`);
    }
    this.#depth += 1;
    this.#at += 1;
    const node = this.#expression();
    if (this.#peek().kind !== ")") throw this.#expected("a closing parenthesis");
    this.#at += 1;
    this.#depth -= 1;
    return node;
  }

  #comparison(): FilterNode {
    const name = this.#peek();
    if (name.kind !== "field") throw this.#expected("a field's name");
    this.#terms += 1;
    if (this.#terms > MAX_FILTER_TERMS) {
      throw filterError(name.position, `there are more than ${MAX_FILTER_TERMS} comparisons`);
    }
    this.#at += 1;
    const comparator = this.#peek();
    if (comparator.kind !== "comparator") throw this.#expected("one of = != < <= > >= :");
    this.#at += 1;
    const value = this.#peek();
    if (value.kind !== "value") throw this.#expected("a value");
    this.#at += 1;
    return {
      op: "compare",
      path: name.path,
      comparator: comparator.text as Comparator,
      value: { pieces: value.pieces, quoted: value.quoted, position: value.position },
      position: name.position,
    };
  }

  #peek(): FilterToken {
    return this.#tokens[this.#at]!;
  }

  #expected(what: string): AppError {
    return filterError(this.#peek().position, `expected ${what}`);
  }
}
