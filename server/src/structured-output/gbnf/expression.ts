import { type CharSet, toRanges } from "./char-set.ts";

/** The right-hand side of a grammar rule. */
export type Expr =
  | { kind: "text"; text: string }
  | { kind: "set"; set: CharSet }
  /** `at`: offset in the source, for messages. */
  | { kind: "ref"; name: string; at?: number }
  | { kind: "seq"; items: readonly Expr[] }
  | { kind: "alt"; options: readonly Expr[] }
  /** `max` null: unbounded. */
  | { kind: "repeat"; item: Expr; min: number; max: number | null; at?: number };

/** Rules by name, in the order they were written; the output must match `root`. */
export type Rules = Map<string, Expr>;

export const EMPTY: Expr = { kind: "seq", items: [] };
/** Matches no text, not even the empty one. */
export const NEVER: Expr = { kind: "alt", options: [] };

export const text = (value: string): Expr => (value === "" ? EMPTY : { kind: "text", text: value });
export const set = (value: CharSet): Expr => (value.length === 0 ? NEVER : { kind: "set", set: value });
export const ref = (name: string): Expr => ({ kind: "ref", name });

/** A sequence, with nested sequences flattened and adjacent literals joined. */
export function seq(...items: readonly Expr[]): Expr {
  const flat: Expr[] = [];
  for (const item of items) {
    if (item.kind !== "seq") append(flat, item);
    else for (const inner of item.items) append(flat, inner);
  }
  if (flat.some(isNever)) return NEVER;
  return flat.length === 1 ? flat[0]! : { kind: "seq", items: flat };
}

function append(flat: Expr[], item: Expr): void {
  const last = flat.at(-1);
  if (item.kind === "text" && last?.kind === "text") flat[flat.length - 1] = text(last.text + item.text);
  else flat.push(item);
}

/** A choice, with nested choices flattened and NEVER left out. */
export function alt(...options: readonly Expr[]): Expr {
  const flat: Expr[] = [];
  for (const option of options) {
    if (option.kind !== "alt") flat.push(option);
    else for (const inner of option.options) flat.push(inner);
  }
  return flat.length === 1 ? flat[0]! : { kind: "alt", options: flat };
}

export const optional = (item: Expr): Expr => repeat(item, 0, 1);

export function repeat(item: Expr, min: number, max: number | null): Expr {
  if (max === 0) return EMPTY;
  if (isNever(item)) return min === 0 ? EMPTY : NEVER;
  if (item.kind === "seq" && item.items.length === 0) return EMPTY;
  return min === 1 && max === 1 ? item : { kind: "repeat", item, min, max };
}

export function isNever(expr: Expr): boolean {
  return expr.kind === "alt" && expr.options.length === 0;
}

/** Names of the rules that the expression refers to. */
export function refsOf(expr: Expr): string[] {
  const names: string[] = [];
  const pending = [expr];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.kind === "ref") names.push(next.name);
    else if (next.kind === "seq") pending.push(...next.items);
    else if (next.kind === "alt") pending.push(...next.options);
    else if (next.kind === "repeat") pending.push(next.item);
  }
  return names;
}

/** Renames the rules that the expression refers to; null replaces a reference by NEVER. */
export function mapRefs(expr: Expr, rename: (name: string) => string | null): Expr {
  switch (expr.kind) {
    case "ref": {
      const name = rename(expr.name);
      return name === null ? NEVER : { kind: "ref", name };
    }
    case "seq":
      return expr.items.length === 0 ? EMPTY : seq(...expr.items.map((item) => mapRefs(item, rename)));
    case "alt":
      return alt(
        ...expr.options.map((option) => mapRefs(option, rename)).filter((option) => !isNever(option)),
      );
    case "repeat":
      return repeat(mapRefs(expr.item, rename), expr.min, expr.max);
    default:
      return expr;
  }
}

/** The grammar as GBNF, one rule a line. */
export function printRules(rules: Rules): string {
  return [...rules].map(([name, expr]) => `${name} ::= ${printExpr(expr)}\n`).join("");
}

export function printExpr(expr: Expr): string {
  if (expr.kind === "alt") return expr.options.map(printOption).join(" | ");
  return printOption(expr);
}

function printOption(expr: Expr): string {
  if (expr.kind === "seq") return expr.items.length === 0 ? '""' : expr.items.map(printItem).join(" ");
  return printItem(expr);
}

function printItem(expr: Expr): string {
  switch (expr.kind) {
    case "text":
      return `"${[...expr.text].map((char) => printChar(char.codePointAt(0)!, '"\\')).join("")}"`;
    case "set":
      return printSet(expr.set);
    case "ref":
      return expr.name;
    case "repeat":
      return printRepeated(expr.item) + printCount(expr.min, expr.max);
    default:
      return `(${printExpr(expr)})`;
  }
}

function printRepeated(item: Expr): string {
  return item.kind === "repeat" ? `(${printItem(item)})` : printItem(item);
}

function printCount(min: number, max: number | null): string {
  if (max === null) return min === 0 ? "*" : min === 1 ? "+" : `{${min},}`;
  if (min === 0 && max === 1) return "?";
  return min === max ? `{${min}}` : `{${min},${max}}`;
}

function printSet(set: CharSet): string {
  return `[${toRanges(set)
    .map(([lo, hi]) => printSetChar(lo) + (lo === hi ? "" : (hi > lo + 1 ? "-" : "") + printSetChar(hi)))
    .join("")}]`;
}

function printSetChar(codePoint: number): string {
  // A caret has no escape of its own, and as a class's first character it would negate the class.
  if (codePoint === 0x5e) return "\\x5E";
  return printChar(codePoint, "\\[]-");
}

function printChar(codePoint: number, escaped: string): string {
  const char = String.fromCodePoint(codePoint);
  if (escaped.includes(char)) return `\\${char}`;
  if (codePoint >= 0x20 && codePoint < 0x7f) return char;
  if (char === "\n") return "\\n";
  if (char === "\r") return "\\r";
  if (char === "\t") return "\\t";
  const hex = codePoint.toString(16).toUpperCase();
  if (codePoint <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return codePoint <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
