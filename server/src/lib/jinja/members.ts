import { TemplateError } from "./errors.ts";
import { methodOf } from "./methods.ts";
import {
  Callable,
  characters,
  Dict,
  Namespace,
  numberOf,
  requireDefined,
  str,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** `value.name`: like Jinja2, a method comes before an item of the same name. */
export function getAttribute(value: Value, name: string): Value {
  requireDefined(value);
  const attribute = attributeOf(value, name);
  if (attribute !== undefined) return attribute;
  const item = itemOf(value, name);
  return item === undefined ? missing(value, name) : item;
}

/** `value[key]`: an item comes before a method. */
export function getItem(value: Value, key: Value): Value {
  requireDefined(value);
  const item = itemOf(value, key);
  if (item !== undefined) return item;
  const attribute = typeof key === "string" ? attributeOf(value, key) : undefined;
  return attribute === undefined ? missing(value, key) : attribute;
}

/**
 * The value at a path such as `function.name`; whole numbers are positions.
 * @param path a text or a position.
 * @param fallback stands for each part that is missing.
 */
export function getPath(value: Value, path: Value, fallback?: Value): Value {
  const parts = typeof path === "string" ? path.split(".") : [path];
  let found = value;
  for (const part of parts) {
    found = getItem(found, typeof part === "string" && /^\d+$/.test(part) ? Number(part) : part);
    if (found instanceof Undefined && fallback !== undefined) found = fallback;
  }
  return found;
}

/** Undefined, not None: there is none. */
function attributeOf(value: Value, name: string): Value | undefined {
  if (value instanceof Namespace) return value.attributes.get(name);
  if (value instanceof Callable) return value.attributes.get(name);
  return methodOf(value, name) ?? undefined;
}

/** Undefined, not None: there is none. */
function itemOf(value: Value, key: Value): Value | undefined {
  if (value instanceof Dict) return isHashable(key) ? value.get(key) : undefined;
  const items =
    typeof value === "string"
      ? value
      : Array.isArray(value)
        ? value
        : value instanceof Tuple
          ? value.items
          : null;
  if (items === null || (typeof key !== "number" && typeof key !== "boolean")) return undefined;
  return (typeof items === "string" ? characters(items) : items).at(Number(key));
}

function isHashable(key: Value): boolean {
  return !Array.isArray(key) && !(key instanceof Dict);
}

function missing(value: Value, name: Value): Undefined {
  const what = value === null ? "None" : `${typeName(value)} object`;
  if (typeof name === "string") return new Undefined(`'${what}' has no attribute '${name}'`);
  return new Undefined(`${what} has no element ${str(name)}`);
}

/** `value[start:stop:step]` of a text, list or tuple. */
export function getSlice(value: Value, bounds: { start: Value; stop: Value; step: Value }): Value {
  requireDefined(value);
  if (typeof value === "string") return slice(characters(value), bounds).join("");
  if (Array.isArray(value)) return slice(value, bounds);
  if (value instanceof Tuple) return new Tuple(slice(value.items, bounds));
  return missing(value, "slice");
}

function slice<T>(
  items: readonly T[],
  { start, stop, step }: { start: Value; stop: Value; step: Value },
): T[] {
  const by = bound(step) ?? 1;
  if (by === 0) throw new TemplateError("slice step cannot be zero");
  const lowest = by > 0 ? 0 : -1;
  const highest = by > 0 ? items.length : items.length - 1;
  const clamp = (position: number | null, fallback: number) =>
    position === null
      ? fallback
      : Math.min(highest, Math.max(lowest, position < 0 ? position + items.length : position));
  const from = clamp(bound(start), by > 0 ? lowest : highest);
  const to = clamp(bound(stop), by > 0 ? highest : lowest);
  const result: T[] = [];
  for (let i = from; by > 0 ? i < to : i > to; i += by) result.push(items[i] as T);
  return result;
}

function bound(value: Value): number | null {
  if (value === null) return null;
  const number = numberOf(value);
  requireDefined(value);
  if (number === null || !Number.isInteger(number)) throw new TemplateError("slice indices must be integers");
  return number;
}
