import type { Ajv } from "ajv";
import addFormatsModule from "ajv-formats";
import { isMultiple } from "../../src/structured-output/json-schema/decimal.ts";

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void;

/**
 * An Ajv that knows the formats, judges `multipleOf` by the numbers' decimals and compares values by what they hold. Its own
 * way takes 1e21 for no multiple of 1, and 0.07 for none of 0.01; with `multipleOfPrecision`, 5e-324 for one of 1. Its
 * comparison calls what objects name `toString` or `valueOf`.
 */
export function exactly<Validator extends Pick<Ajv, "addKeyword" | "removeKeyword">>(
  ajv: Validator,
): Validator {
  addFormats(ajv as unknown as Ajv);
  ajv.removeKeyword("multipleOf");
  ajv.addKeyword({
    keyword: "multipleOf",
    type: "number",
    schemaType: "number",
    validate: (of: number, value: number) => isMultiple(value, of),
  });
  for (const keyword of ["const", "enum", "uniqueItems"]) ajv.removeKeyword(keyword);
  ajv.addKeyword({ keyword: "const", validate: (one: unknown, value: unknown) => isSame(one, value) });
  ajv.addKeyword({
    keyword: "enum",
    schemaType: "array",
    validate: (list: unknown[], value: unknown) => list.some((one) => isSame(one, value)),
  });
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (unique: boolean, items: unknown[]) =>
      !unique || items.every((item, i) => items.slice(0, i).every((other) => !isSame(item, other))),
  });
  return ajv;
}

/** Of values parsed from JSON. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    left.length === right.size && left.every(([key, one]) => right.has(key) && isSame(one, right.get(key)))
  );
}
