import { isNumber, type JsonNumber, toDecimal } from "./decimal.ts";
import { INTEGER_FORMATS, NUMBER_FORMATS } from "./formats.ts";
import {
  areRangesDisjoint,
  type Bound,
  boundOf,
  type NumberConstraint,
  stricter,
} from "./number-automata.ts";
import type { Json, JsonObject, Schema } from "./schema-document.ts";
import { canonicalJson, type ValidationResult } from "./validate.ts";

/** Schemas without combinations, all of which must hold. */
export type SchemaConjunction = readonly JsonObject[];

/** The types of JSON Schema; `number` includes integers. */
export type JsonType = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

const ALL_TYPES: readonly JsonType[] = ["null", "boolean", "number", "string", "array", "object"];

const KEYWORDS_BY_TYPE: Record<string, readonly string[]> = {
  object: [
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "minProperties",
    "maxProperties",
    "propertyNames",
    "unevaluatedProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
  ],
  array: [
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "unevaluatedItems",
  ],
  string: ["pattern", "minLength", "maxLength", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
};

/** The types that every `type` keyword allows; all types without one. */
export function declaredTypes(schemas: SchemaConjunction): Set<JsonType> {
  let types = new Set<JsonType>(ALL_TYPES);
  for (const { type, nullable } of schemas) {
    if (type === undefined) continue;
    const named = new Set((Array.isArray(type) ? type : [type]) as JsonType[]);
    if (nullable === true) named.add("null");
    if (named.has("number")) named.delete("integer");
    const both = new Set<JsonType>();
    for (const name of types) {
      if (named.has(name)) both.add(name);
      else if (name === "number" && named.has("integer")) both.add("integer");
      else if (name === "integer" && named.has("number")) both.add("integer");
    }
    types = both;
  }
  return types;
}

/**
 * The types to generate. Without a `type` keyword, the types that the other keywords are about: the author of
 * `{"properties": …}` expects an object, though by JSON Schema other types are valid too.
 */
export function generatedTypes(schemas: SchemaConjunction): Set<JsonType> {
  const declared = declaredTypes(schemas);
  if (schemas.some((schema) => "type" in schema)) return declared;
  const implied = new Set<JsonType>();
  for (const [type, keywords] of Object.entries(KEYWORDS_BY_TYPE)) {
    if (keywords.some((key) => schemas.some((schema) => key in schema))) implied.add(type as JsonType);
  }
  for (const { format } of schemas) {
    if (NUMBER_FORMATS.has(format as string)) implied.add("number").delete("string");
  }
  return implied.size === 0 ? declared : implied;
}

/** Whether the schema has a keyword that is about values of one type. */
export function impliesType(schema: JsonObject): boolean {
  return Object.values(KEYWORDS_BY_TYPE).some((keywords) => keywords.some((key) => key in schema));
}

/** The values that satisfy every `enum` and `const`; null when there is neither. */
export function enumeratedValues(schemas: SchemaConjunction): Json[] | null {
  let listed: Map<string, Json> | null = null;
  const narrow = (values: readonly Json[]): void => {
    const map = new Map(values.map((value) => [canonicalJson(value), value]));
    listed = listed === null ? map : new Map([...listed].filter(([key]) => map.has(key)));
  };
  for (const schema of schemas) {
    if ("const" in schema) narrow([schema["const"]!]);
    if (Array.isArray(schema["enum"])) narrow(schema["enum"]);
  }
  return listed === null ? null : [...(listed as Map<string, Json>).values()];
}

/** The constraints of all schemas on a number. */
export function numberConstraint(schemas: SchemaConjunction, integer: boolean): NumberConstraint {
  let least: Bound | null = null;
  let most: Bound | null = null;
  const multiples = new Map<string, ReturnType<typeof toDecimal>>();
  const whole = integer || schemas.some(({ format }) => INTEGER_FORMATS.has(format as string));
  const atLeast = (value: JsonNumber, exclusive: boolean): void => {
    least = stricter(least, boundOf({ value, exclusive, inwards: 1, whole }), 1);
  };
  const atMost = (value: JsonNumber, exclusive: boolean): void => {
    most = stricter(most, boundOf({ value, exclusive, inwards: -1, whole }), -1);
  };
  for (const schema of schemas) {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, format } = schema;
    // In draft 4, exclusiveMinimum and exclusiveMaximum are flags of minimum and maximum.
    if (isNumber(minimum)) atLeast(minimum, exclusiveMinimum === true);
    if (isNumber(maximum)) atMost(maximum, exclusiveMaximum === true);
    if (isNumber(exclusiveMinimum)) atLeast(exclusiveMinimum, true);
    if (isNumber(exclusiveMaximum)) atMost(exclusiveMaximum, true);
    if (isNumber(multipleOf)) multiples.set(canonicalJson(multipleOf), toDecimal(multipleOf));
    const bounds = NUMBER_FORMATS.get(format as string);
    if (bounds) {
      atLeast(bounds[0], false);
      atMost(bounds[1], false);
    }
  }
  return { integer: whole, least, most, multiples: [...multiples.values()] };
}

export interface SchemaInspector {
  validate(value: Json, schema: Schema): ValidationResult;
  propertySchemas(schema: JsonObject, name: string): Schema[];
  certainPropertySchemas(schema: JsonObject, name: string): Schema[];
}

/**
 * Whether no generated value of one alternative can be valid for the other. A cheap, incomplete test: it compares types,
 * enumerated values, number ranges, and required properties that the other excludes.
 */
export function areAlternativesDisjoint(
  written: SchemaConjunction,
  other: SchemaConjunction,
  inspector: SchemaInspector,
  depth = 0,
): boolean {
  const excludes = (schemas: SchemaConjunction, value: Json): boolean =>
    schemas.some((schema) => inspector.validate(value, schema) === null);
  // Enumerated values are generated regardless of the types that other keywords imply.
  const values = enumeratedValues(written);
  if (values !== null) return values.every((value) => excludes(other, value));
  const types = generatedTypes(written);
  const allowed = declaredTypes(other);
  const common = [...types].filter(
    (type) =>
      allowed.has(type) ||
      (type === "integer" && allowed.has("number")) ||
      (type === "number" && allowed.has("integer")),
  );
  if (common.length === 0) return true;
  const others = enumeratedValues(other);
  if (others !== null) return others.every((value) => excludes(written, value));
  if (common.every((type) => type === "number" || type === "integer")) {
    return areRangesDisjoint(numberConstraint(written, false), numberConstraint(other, false));
  }
  return (
    common.length === 1 && common[0] === "object" && areObjectsDisjoint(written, other, inspector, depth)
  );
}

function areObjectsDisjoint(
  written: SchemaConjunction,
  other: SchemaConjunction,
  inspector: SchemaInspector,
  depth: number,
): boolean {
  const names = (schemas: SchemaConjunction): string[] =>
    schemas.flatMap((schema) => (schema["required"] as string[] | undefined) ?? []);
  const parts = (schemas: SchemaConjunction, name: string): Schema[] =>
    schemas.flatMap((schema) => inspector.propertySchemas(schema, name));
  const always = new Set(names(written));
  const closed =
    written.some((schema) => "properties" in schema) &&
    !written.some((schema) => allowsAdditionalProperties(schema));
  // `other` requires a property that `written` never has.
  for (const name of names(other)) {
    if (closed && !always.has(name) && parts(written, name).length === 0) return true;
  }
  for (const name of always) {
    const theirs = other.flatMap((schema) => inspector.certainPropertySchemas(schema, name));
    if (theirs.includes(false)) return true;
    if (depth < 3 && arePropertiesDisjoint(parts(written, name), theirs, inspector, depth)) return true;
  }
  return false;
}

function arePropertiesDisjoint(
  written: Schema[],
  other: Schema[],
  inspector: SchemaInspector,
  depth: number,
): boolean {
  const plain = (schema: Schema): schema is JsonObject =>
    typeof schema === "object" && !["$ref", "anyOf", "oneOf", "allOf"].some((key) => key in schema);
  // Leaving schemas out of `other` only loosens it, which is safe; leaving them out of `written` is not.
  if (written.length === 0 || !written.every(plain)) return false;
  return areAlternativesDisjoint(written, other.filter(plain), inspector, depth + 1);
}

/** Whether the schema explicitly allows properties other than its own. */
export function allowsAdditionalProperties(schema: JsonObject): boolean {
  const { additionalProperties, unevaluatedProperties } = schema;
  const allows = (value: Json | undefined): boolean => value !== undefined && value !== false;
  return allows(additionalProperties) || allows(unevaluatedProperties) || "patternProperties" in schema;
}
