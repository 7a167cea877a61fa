import { TemplateError } from "./errors.ts";
import { formatPercent } from "./methods.ts";
import { checkTextLength, repeatText } from "./texts.ts";
import {
  compare,
  contains,
  equal,
  Float,
  numberOf,
  requireDefined,
  str,
  Tuple,
  typeName,
  type Value,
} from "./values.ts";

/** Longest list that an operator may make. */
const MAX_LIST_LENGTH = 1_000_000;

/** Every binary operator but `and` and `or`, as in Python. @throws TemplateError */
export function applyBinary(operator: string, a: Value, b: Value): Value {
  switch (operator) {
    case "==":
      return equal(a, b);
    case "!=":
      return !equal(a, b);
    case "in":
      return contains(b, a);
    case "not in":
      return !contains(b, a);
    case "<":
      return compare(a, b) < 0;
    case "<=":
      return compare(a, b) <= 0;
    case ">":
      return compare(a, b) > 0;
    case ">=":
      return compare(a, b) >= 0;
    case "~":
      return joined(str(a), str(b));
  }
  requireDefined(a);
  requireDefined(b);
  const result = applyToNumbers(operator, a, b) ?? applyToSequences(operator, a, b);
  if (result !== null) return result;
  throw new TemplateError(`unsupported operand types for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

function applyToNumbers(operator: string, a: Value, b: Value): Value | null {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x === null || y === null) return null;
  if (y === 0 && ["/", "//", "%"].includes(operator)) throw new TemplateError("division by zero");
  const isFloat = a instanceof Float || b instanceof Float;
  const number = (result: number): Value => (isFloat ? new Float(result) : result);
  switch (operator) {
    case "+":
      return number(x + y);
    case "-":
      return number(x - y);
    case "*":
      return number(x * y);
    case "/":
      return new Float(x / y);
    case "//":
      return number(Math.floor(x / y));
    case "%":
      return number(x - Math.floor(x / y) * y);
    case "**":
      return y < 0 ? new Float(x ** y) : number(x ** y);
    default:
      return null;
  }
}

function applyToSequences(operator: string, a: Value, b: Value): Value | null {
  if (operator === "+") {
    if (typeof a === "string" && typeof b === "string") return joined(a, b);
    if (Array.isArray(a) && Array.isArray(b)) return checkedList([a, b]);
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple(checkedList([a.items, b.items]));
  }
  if (operator === "*") {
    if (typeof a === "string" && typeof b === "number") return repeatText(a, b);
    if (typeof a === "number" && typeof b === "string") return repeatText(b, a);
    if (Array.isArray(a) && typeof b === "number") return repeated(a, b);
    if (typeof a === "number" && Array.isArray(b)) return repeated(b, a);
  }
  return operator === "%" && typeof a === "string" ? formatPercent(a, b) : null;
}

function joined(a: string, b: string): string {
  checkTextLength(a.length + b.length);
  return a + b;
}

function checkedList(parts: readonly (readonly Value[])[]): Value[] {
  if (parts.reduce((sum, part) => sum + part.length, 0) > MAX_LIST_LENGTH)
    throw new TemplateError("a list is too long");
  return parts.flatMap((part) => [...part]);
}

function repeated(items: readonly Value[], count: number): Value[] {
  if (items.length * count > MAX_LIST_LENGTH) throw new TemplateError("a list is too long");
  const result: Value[] = [];
  for (let i = 0; i < count; i++) result.push(...items);
  return result;
}

/** `-a` and `+a`. */
export function applySign(operator: string, value: Value): Value {
  requireDefined(value);
  const number = numberOf(value);
  if (number === null)
    throw new TemplateError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  const result = operator === "-" ? -number : number;
  // Python's integers have no negative zero.
  return value instanceof Float ? new Float(result) : result + 0;
}
