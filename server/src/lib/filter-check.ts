import { parseDuration } from "./durations.ts";
import { sanitizeForMessage, toCamelCasePath } from "./field-names.ts";
import { type Comparator, type FilterNode, type FilterValue, parseFilter } from "./filter.ts";
import { filterError } from "./filter-lexer.ts";
import { parseTimestamp } from "./timestamps.ts";

export type FieldType =
  | "string"
  | "int"
  | "number"
  | "boolean"
  | "timestamp"
  | "duration"
  | "enum"
  | "strings"
  | "map";

export interface FilterField {
  type: FieldType;
  /** Values of an enum. */
  values?: readonly string[];
}

/** The test of one comparison. An absent value passes only the tests for equality with `""` and `false`. */
export type FilterTest =
  | { kind: "present" }
  /**
   * Matches text with any characters between the pieces. `contains`: the text may have more around them, and case is
   * ignored.
   */
  | { kind: "text"; pieces: string[]; contains: boolean }
  /** `value` is a text, number or boolean. Integers and timestamps are texts, durations are milliseconds. */
  | { kind: "value"; comparator: Exclude<Comparator, "!=" | ":">; value: string | number | boolean }
  /** The list has the element, or the map the key. */
  | { kind: "member"; text: string };

/** A filter whose fields exist and whose values have the fields' types. */
export type CheckedFilter =
  | { op: "and" | "or"; terms: CheckedFilter[] }
  | { op: "not"; term: CheckedFilter }
  | { op: "test"; field: string; key: string | null; test: FilterTest };

type Fields = Readonly<Record<string, FilterField>>;

/**
 * Parses a filter and checks it against the fields. Null for an empty one.
 * @param fields by camelCase name; the filter may use snake_case.
 * @throws AppError BAD_REQUEST naming filter, with the position and what was expected there.
 */
export function checkFilter(text: string, fields: Fields): CheckedFilter | null {
  const node = parseFilter(text);
  return node === null ? null : check(node, fields);
}

/** Recursion is bounded by the parser's limit on parentheses. */
function check(node: FilterNode, fields: Fields): CheckedFilter {
  if (node.op === "not") return { op: "not", term: check(node.term, fields) };
  if (node.op !== "compare") return { op: node.op, terms: node.terms.map((term) => check(term, fields)) };
  const { field, key } = resolve(node.path, node.position, fields);
  const type = key === null ? fields[field]! : { type: "string" as const };
  const { comparator, value } = node;
  const negated = comparator === "!=";
  const test = toFilterTest(type, negated ? "=" : comparator, value, node.position);
  // `map:key` tests that the map has the key.
  const checked: CheckedFilter =
    test.kind === "member" && type.type === "map"
      ? { op: "test", field, key: test.text, test: { kind: "present" } }
      : { op: "test", field, key, test };
  return negated ? { op: "not", term: checked } : checked;
}

function resolve(path: string[], position: number, fields: Fields): { field: string; key: string | null } {
  const whole = toCamelCasePath(path.join("."));
  if (Object.hasOwn(fields, whole) && !path.some((part) => part.includes("."))) {
    return { field: whole, key: null };
  }
  const parent = toCamelCasePath(path.slice(0, -1).join("."));
  if (Object.hasOwn(fields, parent) && fields[parent]!.type === "map") {
    return { field: parent, key: path.at(-1)! };
  }
  throw filterError(position, `${sanitizeForMessage(path.join("."))} is not a field to filter by`);
}

function toFilterTest(
  field: FilterField,
  comparator: Exclude<Comparator, "!=">,
  value: FilterValue,
  position: number,
): FilterTest {
  const { type } = field;
  const text = value.pieces.join("*");
  if (comparator === ":" && !value.quoted && text === "*") return { kind: "present" };
  if (type === "strings" || type === "map") {
    if (comparator !== ":") throw filterError(position, `expected : after a ${COLLECTIONS[type]}`);
    return { kind: "member", text: withoutWildcard(value) };
  }
  if (type === "string" && (comparator === ":" || comparator === "=")) {
    return { kind: "text", pieces: value.pieces, contains: comparator === ":" };
  }
  const unordered = type === "enum" || type === "boolean";
  if (unordered && comparator !== "=" && comparator !== ":") {
    throw filterError(position, `expected =, != or : after a field of type ${type}`);
  }
  return {
    kind: "value",
    comparator: comparator === ":" ? "=" : comparator,
    value: VALUE_PARSERS[type](withoutWildcard(value), value.position, field),
  };
}

const COLLECTIONS = { strings: "list", map: "map" } as const;

function withoutWildcard({ pieces, position }: FilterValue): string {
  if (pieces.length > 1) throw filterError(position, "a wildcard works only with = and != on text");
  return pieces[0]!;
}

type ValueParser = (text: string, position: number, field: FilterField) => string | number | boolean;

const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

const VALUE_PARSERS: Readonly<Record<Exclude<FieldType, "strings" | "map">, ValueParser>> = {
  string: (text) => text,
  int(text, position) {
    const isInt = /^-?\d{1,19}$/.test(text);
    const value = isInt ? BigInt(text) : null;
    if (value === null || value < MIN_INT64 || value > MAX_INT64) {
      throw filterError(position, "expected a whole number of at most 64 bits");
    }
    return String(value);
  },
  number(text, position) {
    const value = /^-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
    if (!Number.isFinite(value)) throw filterError(position, "expected a number");
    return value;
  },
  boolean(text, position) {
    if (text !== "true" && text !== "false") throw filterError(position, "expected true or false");
    return text === "true";
  },
  timestamp(text, position) {
    const value = parseTimestamp(text);
    if (value === null) throw filterError(position, "expected a time such as 2025-01-31T12:00:00Z");
    return value;
  },
  duration(text, position) {
    try {
      return parseDuration(text);
    } catch {
      throw filterError(position, "expected a duration in seconds such as 600s");
    }
  },
  enum(text, position, { values = [] }) {
    if (!values.includes(text)) throw filterError(position, `expected one of ${values.join(", ")}`);
    return text;
  },
};
