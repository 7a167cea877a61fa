import type { Ajv } from "ajv";
import addFormatsModule from "ajv-formats";
import { isMultiple } from "../../src/inference/text/grammar/decimal.ts";

const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void;

/**
 * An Ajv that knows the formats and judges `multipleOf` by the numbers' decimals. Its own way takes 1e21 for no multiple
 * of 1, and 0.07 for none of 0.01; with `multipleOfPrecision`, 5e-324 for one of 1.
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
  return ajv;
}
