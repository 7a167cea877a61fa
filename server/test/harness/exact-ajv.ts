import type { Ajv } from "ajv";
import addFormatsModule from "ajv-formats";
import { isMultiple } from "../../src/structured-output/json-schema/decimal.ts";

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void;

/**
 * An Ajv with formats, exact decimal arithmetic for `multipleOf` and comparison by JSON value. Ajv's own `multipleOf` rejects
 * 1e21 as a multiple of 1 and 0.07 as a multiple of 0.01, and with `multipleOfPrecision` accepts 5e-324 as a multiple of 1.
 * Ajv's own comparison calls properties of the data that are named `toString` or `valueOf`.
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

/** Deep equality of values parsed from JSON. */
function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    left.length === right.size && left.every(([key, one]) => right.has(key) && isSame(one, right.get(key)))
  );
}
