/** Python's values, as far as templates see them, and the operations that Python has on all of them. */
import { TemplateError } from "./errors.ts";

/** A number is an integer; other numbers are Floats, as Python prints 1 and 1.0 differently. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Value[]
  | Float
  | Tuple
  | Dict
  | DictView
  | OneShot
  | Namespace
  | Callable
  | Undefined;

export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** Keys that Python takes for equal, such as 1, 1.0 and True, are one key. */
export class Dict {
  readonly #entries = new Map<unknown, [Value, Value]>();

  static of(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict();
    for (const [key, value] of entries) dict.set(key, value);
    return dict;
  }

  set(key: Value, value: Value): void {
    const id = hashKey(key);
    const known = this.#entries.get(id);
    this.#entries.set(id, [known === undefined ? key : known[0], value]);
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashKey(key))?.[1];
  }

  get size(): number {
    return this.#entries.size;
  }

  keys(): Value[] {
    return [...this.#entries.values()].map(([key]) => key);
  }

  entries(): [Value, Value][] {
    return [...this.#entries.values()];
  }
}

/** What `items()`, `keys()` and `values()` of a dict give: it has a length, but no positions. */
export class DictView {
  readonly name: string;
  readonly items: readonly Value[];
  constructor(name: string, items: readonly Value[]) {
    this.name = name;
    this.items = items;
  }
}

/** A generator, as filters such as `map` and `select` give: true in conditions, without a length, and read only once. */
export class OneShot {
  #items: Iterable<Value> | null;
  constructor(items: Iterable<Value>) {
    this.#items = items;
  }

  *take(): Generator<Value> {
    const items = this.#items ?? [];
    this.#items = null;
    yield* items;
  }
}

export class Namespace {
  readonly attributes: Map<string, Value>;
  constructor(attributes: Map<string, Value>) {
    this.attributes = attributes;
  }
}

export interface CallArguments {
  positional: readonly Value[];
  keywords: ReadonlyMap<string, Value>;
}

export class Callable {
  readonly name: string;
  readonly call: (args: CallArguments) => Value;
  /** Attributes of objects that templates may also call, such as `loop`. */
  readonly attributes: ReadonlyMap<string, Value>;
  constructor(
    name: string,
    call: (args: CallArguments) => Value,
    attributes: ReadonlyMap<string, Value> = new Map(),
  ) {
    this.name = name;
    this.call = call;
    this.attributes = attributes;
  }
}

/** A variable or member that doesn't exist: empty as a text or a list, an error in most operations. */
export class Undefined {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** The template's value for a JSON value. */
export function fromJson(value: unknown): Value {
  if (value === undefined) return new Undefined("the value is undefined");
  if (typeof value === "number") return Number.isInteger(value) ? value : new Float(value);
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(fromJson);
  return Dict.of(Object.entries(value as object).map(([key, item]) => [key, fromJson(item)]));
}

function hashKey(key: Value): unknown {
  if (key instanceof Float) return key.value;
  if (typeof key === "boolean") return Number(key);
  if (key instanceof Tuple) return `\0${repr(key)}`;
  if (Array.isArray(key) || key instanceof Dict)
    throw new TemplateError(`unhashable type: '${typeName(key)}'`);
  return key;
}

/** The number of a numeric value; null for others. Python counts booleans as numbers. */
export function numberOf(value: Value): number | null {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.value : null;
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "int";
  if (typeof value === "string") return "str";
  if (Array.isArray(value)) return "list";
  if (value instanceof Float) return "float";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof Dict) return "dict";
  if (value instanceof DictView) return value.name;
  if (value instanceof OneShot) return "generator";
  if (value instanceof Namespace) return "Namespace";
  return value instanceof Callable ? "function" : "Undefined";
}

/** @throws TemplateError when the value is undefined. */
export function requireDefined(value: Value): void {
  if (value instanceof Undefined) throw new TemplateError(value.message);
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  const number = numberOf(value);
  if (number !== null) return number !== 0;
  if (typeof value === "string") return value !== "";
  return lengthOf(value) !== 0;
}

/** The characters of a text as Python counts them. */
export function characters(text: string): string[] {
  return Array.from(text);
}

/** Null: the value has no length. */
export function lengthOf(value: Value): number | null {
  if (typeof value === "string") return characters(value).length;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Tuple || value instanceof DictView) return value.items.length;
  if (value instanceof Dict) return value.size;
  return value instanceof Undefined ? 0 : null;
}

/** @throws TemplateError when the value can't be iterated over. */
export function iterate(value: Value): Iterable<Value> {
  if (typeof value === "string") return characters(value);
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple || value instanceof DictView) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof OneShot) return value.take();
  if (value instanceof Undefined) return [];
  throw new TemplateError(`'${typeName(value)}' object is not iterable`);
}

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null && y !== null) return x === y;
  if (a instanceof Undefined) return b instanceof Undefined;
  if (Array.isArray(a) && Array.isArray(b)) return equalItems(a, b);
  if (a instanceof Tuple && b instanceof Tuple) return equalItems(a.items, b.items);
  if (!(a instanceof Dict && b instanceof Dict) || a.size !== b.size) return false;
  return a.entries().every(([key, value]) => {
    const other = b.get(key);
    return other !== undefined && equal(value, other);
  });
}

function equalItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, i) => equal(item, b[i]!));
}

/** Below 0, 0 or above 0 as `a` comes before, is equal to or after `b`. @throws TemplateError for values without an order. */
export function compare(a: Value, b: Value): number {
  requireDefined(a);
  requireDefined(b);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null && y !== null) return x - y;
  if (typeof a === "string" && typeof b === "string") return compareTexts(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return compareItems(a, b);
  if (a instanceof Tuple && b instanceof Tuple) return compareItems(a.items, b.items);
  throw new TemplateError(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

function compareTexts(a: string, b: string): number {
  // By code points: UTF-16 units order surrogates before U+E000.
  const [x, y] = [characters(a), characters(b)];
  for (let i = 0; i < x.length && i < y.length; i++) {
    const difference = x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

function compareItems(a: readonly Value[], b: readonly Value[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (!equal(a[i]!, b[i]!)) return compare(a[i]!, b[i]!);
  }
  return a.length - b.length;
}

/** Whether `item in container`. @throws TemplateError */
export function contains(container: Value, item: Value): boolean {
  if (typeof container === "string") {
    if (typeof item === "string") return container.includes(item);
    throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Dict) return container.get(item) !== undefined;
  for (const candidate of iterate(container)) if (equal(candidate, item)) return true;
  return false;
}

/** Python's `str(value)`. */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  return value instanceof Undefined ? "" : repr(value);
}

/** Python's `repr(value)`. */
export function repr(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return integerText(value);
  if (typeof value === "string") return reprText(value);
  if (value instanceof Float) return floatText(value.value);
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Tuple)
    return `(${value.items.map(repr).join(", ")}${value.items.length === 1 ? "," : ""})`;
  if (value instanceof Dict) {
    return `{${value
      .entries()
      .map(([key, item]) => `${repr(key)}: ${repr(item)}`)
      .join(", ")}}`;
  }
  if (value instanceof DictView) return `${value.name}(${repr([...value.items])})`;
  if (value instanceof Namespace) {
    return `<Namespace ${repr(Dict.of(value.attributes))}>`;
  }
  return value instanceof Undefined ? "Undefined" : `<${typeName(value)}>`;
}

export function integerText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
}

/** Python's text of a float: the shortest that reads back alike, with an exponent from 1e16 and below 1e-4. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const exponent = Number(value.toExponential().split("e")[1]);
  if (exponent < -4 || exponent >= 16) {
    const digits = value.toExponential().split("e")[0];
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return value.toFixed(Math.min(100, digitsAfterPoint(value)));
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function digitsAfterPoint(value: number): number {
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  return digits.replace(/^-/, "").replace(".", "").length - 1 - Number(exponent);
}

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

function reprText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\p{C}\p{Z}]|'/gu, (character) => {
    if (character === " ") return character;
    if (character === "'") return quote === "'" ? "\\'" : "'";
    const known = ESCAPES[character];
    if (known !== undefined) return known;
    const code = character.codePointAt(0)!;
    if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code <= 0xffff
      ? `\\u${code.toString(16).padStart(4, "0")}`
      : `\\U${code.toString(16).padStart(8, "0")}`;
  });
  return quote + escaped + quote;
}
