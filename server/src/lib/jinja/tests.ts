import { TemplateError } from "./errors.ts";
import { isLower, isUpper } from "./texts.ts";
import {
  Callable,
  compare,
  contains,
  Dict,
  DictView,
  equal,
  Float,
  Namespace,
  numberOf,
  OneShot,
  str,
  Tuple,
  Undefined,
  type Value,
} from "./values.ts";

type Test = (value: Value, ...args: Value[]) => boolean;

const isEqual: Test = (a, b = null) => equal(a, b);
const isUnequal: Test = (a, b = null) => !equal(a, b);
const isGreater: Test = (a, b = null) => compare(a, b) > 0;
const isLess: Test = (a, b = null) => compare(a, b) < 0;
const isAtLeast: Test = (a, b = null) => compare(a, b) >= 0;
const isAtMost: Test = (a, b = null) => compare(a, b) <= 0;

function remainder(value: Value, divisor: Value): number {
  const [a, b] = [numberOf(value), numberOf(divisor)];
  if (a === null || b === null || b === 0) throw new TemplateError("the remainder needs numbers");
  return a % b;
}

const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["boolean", (value) => typeof value === "boolean"],
  ["callable", (value) => value instanceof Callable],
  ["defined", (value) => !(value instanceof Undefined)],
  ["undefined", (value) => value instanceof Undefined],
  ["divisibleby", (value, divisor = null) => remainder(value, divisor) === 0],
  ["even", (value) => remainder(value, 2) === 0],
  ["odd", (value) => Math.abs(remainder(value, 2)) === 1],
  ["false", (value) => value === false],
  ["true", (value) => value === true],
  ["none", (value) => value === null],
  ["float", (value) => value instanceof Float],
  ["integer", (value) => typeof value === "number"],
  ["number", (value) => numberOf(value) !== null],
  ["string", (value) => typeof value === "string"],
  ["mapping", (value) => value instanceof Dict],
  ["lower", (value) => isLower(str(value))],
  ["upper", (value) => isUpper(str(value))],
  [
    "sequence",
    (value) =>
      typeof value === "string" ||
      Array.isArray(value) ||
      value instanceof Tuple ||
      value instanceof Dict ||
      value instanceof Undefined,
  ],
  [
    "iterable",
    (value) =>
      typeof value === "string" ||
      Array.isArray(value) ||
      [Tuple, Dict, DictView, OneShot, Undefined].some((type) => value instanceof type),
  ],
  ["sameas", (a, b = null) => isSame(a, b)],
  ["in", (value, container = null) => contains(container, value)],
  ["eq", isEqual],
  ["equalto", isEqual],
  ["==", isEqual],
  ["ne", isUnequal],
  ["!=", isUnequal],
  ["gt", isGreater],
  ["greaterthan", isGreater],
  [">", isGreater],
  ["lt", isLess],
  ["lessthan", isLess],
  ["<", isLess],
  ["ge", isAtLeast],
  [">=", isAtLeast],
  ["le", isAtMost],
  ["<=", isAtMost],
]);

function isSame(a: Value, b: Value): boolean {
  if (typeof a === "object" && a !== null && !(a instanceof Namespace)) return a === b;
  return Object.is(a, b);
}

/** @throws TemplateError for a test that doesn't exist, or that the values don't have. */
export function runTest(name: string, value: Value, args: readonly Value[]): boolean {
  const test = TESTS.get(name);
  if (test === undefined) throw new TemplateError(`No test named '${name}'.`);
  return test(value, ...args);
}
