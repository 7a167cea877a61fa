import { type FilterNode, type FilterValue, parseFilter } from "../../../lib/filter.ts";
import { isObject, type JsonObject } from "./json-line.ts";

export type RowFilter = (row: JsonObject) => boolean;

/**
 * Compiles a filter over the fields of rows, in the filter language of lists. Rows have no schema, so the row's value
 * decides how it is compared: as a number, as a boolean, as text (`*` stands for any characters), or with `:` as the
 * elements of a list. An absent field, or one of another type, fails every comparison and so passes its negation. An
 * empty filter passes all rows.
 * @throws AppError BAD_REQUEST naming `filter`.
 */
export function compileRowFilter(text: string): RowFilter {
  const node = parseFilter(text);
  return node === null ? () => true : compile(node);
}

function compile(node: FilterNode): RowFilter {
  switch (node.op) {
    case "not": {
      const term = compile(node.term);
      return (row) => !term(row);
    }
    case "and":
    case "or": {
      const terms = node.terms.map(compile);
      return node.op === "and"
        ? (row) => terms.every((term) => term(row))
        : (row) => terms.some((term) => term(row));
    }
    case "compare": {
      const { path, comparator } = node;
      const test = testOf(comparator === "!=" ? "=" : comparator, node.value);
      return comparator === "!=" ? (row) => !test(valueAt(row, path)) : (row) => test(valueAt(row, path));
    }
  }
}

function valueAt(row: JsonObject, path: readonly string[]): unknown {
  let value: unknown = row;
  for (const name of path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

type Test = (value: unknown) => boolean;

function testOf(comparator: "=" | "<" | "<=" | ">" | ">=" | ":", literal: FilterValue): Test {
  const text = literal.pieces.join("*");
  if (comparator === "=") return equals(literal);
  if (comparator !== ":") return ordered(comparator, text);
  if (!literal.quoted && text === "*") return (value) => value !== undefined && value !== null;
  const isEqual = equals(literal);
  return (value) => {
    if (Array.isArray(value)) return value.some(isEqual);
    if (isObject(value)) return Object.hasOwn(value, text);
    return typeof value === "string" ? value.toLowerCase().includes(text.toLowerCase()) : isEqual(value);
  };
}

function equals({ pieces, quoted }: FilterValue): Test {
  const text = pieces.join("*");
  const number = numberOf(text);
  return (value) => {
    if (typeof value === "string")
      return pieces.length === 1 ? value === text : matchesWildcard(value, pieces);
    if (typeof value === "number") return value === number;
    return !quoted && (typeof value === "boolean" || value === null) && String(value) === text;
  };
}

/**
 * Wildcard match: the text starts with the first piece, ends with the last one, and has the others in between in order.
 */
function matchesWildcard(value: string, pieces: readonly string[]): boolean {
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  if (!value.startsWith(first) || !value.endsWith(last) || value.length < first.length + last.length)
    return false;
  const end = value.length - last.length;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = value.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

function ordered(comparator: "<" | "<=" | ">" | ">=", text: string): Test {
  const number = numberOf(text);
  return (value) => {
    if (typeof value === "number") return number !== null && holds(comparator, value, number);
    return typeof value === "string" && holds(comparator, value, text);
  };
}

function holds<T extends string | number>(comparator: "<" | "<=" | ">" | ">=", left: T, right: T): boolean {
  if (comparator === "<") return left < right;
  if (comparator === "<=") return left <= right;
  return comparator === ">" ? left > right : left >= right;
}

function numberOf(text: string): number | null {
  return /^-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : null;
}
