import { type Automaton, patternAutomaton, runAutomaton } from "../automata/nfa.ts";
import { parsePattern } from "../automata/pattern-parser.ts";
import { compareDecimals, ExactNumber, isMultiple, isNumber, type JsonNumber, toDecimal } from "./decimal.ts";
import { FORMATS, NUMBER_FORMATS } from "./formats.ts";
import { isObject, type Json, type JsonObject, type Schema, type SchemaDocument } from "./schema-document.ts";

/** Most nested references and combinations; keywords below count as unverified. */
const MAX_DEPTH = 64;
/** Most schemas checked for one value; the keywords of further ones count as unverified. */
const MAX_STEPS = 20_000;

/** A text that is equal for equal values only. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (value instanceof ExactNumber) return `${value.decimal.units}e-${value.decimal.scale}`;
  if (!isObject(value)) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join()}}`;
}

/** A keyword that the validator can't check; callers treat it as met. */
export interface UnverifiedKeyword {
  schema: JsonObject;
  keyword: string;
}

/** Null: the value is invalid. Empty: it is valid. Otherwise it is valid if the listed keywords are met. */
export type ValidationResult = readonly UnverifiedKeyword[] | null;

const VALID: ValidationResult = [];

function resultOf(fits: boolean): ValidationResult {
  return fits ? VALID : null;
}

/** Every check must hold; stops at the first that fails. */
function validateAll<T>(items: Iterable<T>, check: (item: T) => ValidationResult): ValidationResult {
  const unverified: UnverifiedKeyword[] = [];
  for (const item of items) {
    const result = check(item);
    if (result === null) return null;
    unverified.push(...result);
  }
  return unverified;
}

/** One check must hold; stops at the first that surely holds. */
function validateAny<T>(items: Iterable<T>, check: (item: T) => ValidationResult): ValidationResult {
  const unverified: UnverifiedKeyword[] = [];
  for (const item of items) {
    const result = check(item);
    if (result?.length === 0) return VALID;
    unverified.push(...(result ?? []));
  }
  return unverified.length === 0 ? null : unverified;
}

/** Validates values by JSON Schema, and reports the keywords that it can't verify. */
export class InstanceValidator {
  readonly #document: SchemaDocument;
  readonly #enumSets = new Map<JsonObject, Set<string>>();
  readonly #automata = new Map<string, Automaton | null>();
  readonly #subschemas = new Map<JsonObject, Set<Schema>>();
  #steps = 0;

  constructor(document: SchemaDocument) {
    this.#document = document;
  }

  validate(value: Json, schema: Schema): ValidationResult {
    this.#steps = 0;
    return this.#validate(value, schema, 0);
  }

  /** @param active the schemas being checked for this value: a recursion into one of them without a smaller value fails. */
  #validate(
    value: Json,
    schema: Schema,
    depth: number,
    active: readonly JsonObject[] = [],
  ): ValidationResult {
    if (typeof schema === "boolean") return resultOf(schema);
    if (active.includes(schema)) return null;
    this.#steps++;
    if (depth > MAX_DEPTH || this.#steps > MAX_STEPS) {
      return Object.keys(schema).map((keyword) => ({ schema, keyword }));
    }
    return validateAll(
      [
        () => resultOf(this.#hasTypeAndValue(value, schema)),
        () => this.#validateCombinations(value, schema, depth + 1, [...active, schema]),
        () => this.#validateByType(value, schema, depth + 1, [...active, schema]),
      ],
      (check) => check(),
    );
  }

  /** Whether the text contains a match of the pattern; null for an unsupported pattern. */
  #matches(text: string, pattern: string): boolean | null {
    let automaton = this.#automata.get(pattern);
    if (automaton === undefined) {
      const parsed = parsePattern(pattern);
      automaton = parsed && patternAutomaton(parsed);
      this.#automata.set(pattern, automaton);
    }
    return automaton && runAutomaton(automaton, text);
  }

  #hasTypeAndValue(value: Json, schema: JsonObject): boolean {
    const { type, enum: values, nullable } = schema;
    if (type !== undefined && !(nullable === true && value === null)) {
      const types = Array.isArray(type) ? type : [type];
      if (!types.some((name) => name === jsonTypeOf(value) || (name === "number" && isNumber(value))))
        return false;
    }
    if ("const" in schema && canonicalJson(schema["const"]!) !== canonicalJson(value)) return false;
    return !Array.isArray(values) || this.#enumSetOf(schema, values).has(canonicalJson(value));
  }

  #enumSetOf(schema: JsonObject, values: readonly Json[]): Set<string> {
    let list = this.#enumSets.get(schema);
    if (list === undefined) {
      list = new Set(values.map(canonicalJson));
      this.#enumSets.set(schema, list);
    }
    return list;
  }

  #validateCombinations(
    value: Json,
    schema: JsonObject,
    depth: number,
    active: readonly JsonObject[],
  ): ValidationResult {
    const fits = (part: Schema): ValidationResult => this.#validate(value, part, depth, active);
    const list = (key: string): Schema[] => (schema[key] as Schema[] | undefined) ?? [];
    const unless = (result: ValidationResult, keyword: string): ValidationResult =>
      result === null ? VALID : result.length === 0 ? null : [{ schema, keyword }];
    const checks: (() => ValidationResult)[] = [];
    if (typeof schema["$ref"] === "string") {
      const target = this.#document.resolve(schema);
      checks.push(() => fits(target));
    }
    checks.push(() => validateAll(list("allOf"), fits));
    if ("anyOf" in schema) checks.push(() => validateAny(list("anyOf"), fits));
    if ("oneOf" in schema) checks.push(() => exactlyOne(list("oneOf").map(fits), schema));
    if ("not" in schema) checks.push(() => unless(fits(schema["not"] as Schema), "not"));
    if ("if" in schema) {
      checks.push(() => {
        const condition = fits(schema["if"] as Schema);
        if (condition !== null && condition.length > 0) return [{ schema, keyword: "if" }];
        const branch = condition === null ? schema["else"] : schema["then"];
        return branch === undefined ? VALID : fits(branch as Schema);
      });
    }
    return validateAll(checks, (check) => check());
  }

  #validateByType(
    value: Json,
    schema: JsonObject,
    depth: number,
    active: readonly JsonObject[],
  ): ValidationResult {
    const dynamic = ["$dynamicRef", "$recursiveRef"].filter((key) => key in schema);
    if (dynamic.length > 0) return dynamic.map((keyword) => ({ schema, keyword }));
    if (isNumber(value)) return resultOf(fitsNumber(value, schema));
    if (typeof value === "string") return this.#validateString(value, schema);
    if (Array.isArray(value)) return this.#validateArray(value, schema, depth);
    return isObject(value) ? this.#validateObject(value, schema, depth, active) : VALID;
  }

  #validateString(value: string, schema: JsonObject): ValidationResult {
    if (!within([...value].length, schema, "Length")) return null;
    const { pattern, format } = schema;
    const unverified: UnverifiedKeyword[] = [];
    if (typeof pattern === "string") {
      const found = this.#matches(value, pattern);
      if (found === false) return null;
      if (found === null) unverified.push({ schema, keyword: "pattern" });
    }
    // The patterns of formats don't match every valid text, so a mismatch proves nothing.
    if (typeof format === "string" && !NUMBER_FORMATS.has(format)) {
      const known = FORMATS.get(format);
      if (known === undefined || this.#matches(value, `^(?:${known})$`) !== true)
        unverified.push({ schema, keyword: "format" });
    }
    return unverified;
  }

  #validateArray(value: Json[], schema: JsonObject, depth: number): ValidationResult {
    if (!within(value.length, schema, "Items")) return null;
    if (schema["uniqueItems"] === true && new Set(value.map(canonicalJson)).size < value.length) return null;
    return validateAll(
      [
        () =>
          validateAll(value.entries(), ([index, item]) =>
            validateAll(itemSchemas(schema, index), (part) => this.#validate(item, part, depth)),
          ),
        () => this.#validateContains(value, schema, depth),
        () => (value.length > 0 ? unevaluated(schema, "unevaluatedItems") : VALID),
      ],
      (check) => check(),
    );
  }

  #validateContains(value: Json[], schema: JsonObject, depth: number): ValidationResult {
    if (!("contains" in schema)) return VALID;
    const results = value.map((item) => this.#validate(item, schema["contains"] as Schema, depth));
    const certain = results.filter((result) => result?.length === 0).length;
    const possible = results.filter((result) => result !== null).length;
    const least = Number(schema["minContains"] ?? 1);
    const most = Number(schema["maxContains"] ?? Number.POSITIVE_INFINITY);
    if (possible < least || certain > most) return null;
    return certain >= least && possible <= most ? VALID : [{ schema, keyword: "contains" }];
  }

  #validateObject(
    value: JsonObject,
    schema: JsonObject,
    depth: number,
    active: readonly JsonObject[],
  ): ValidationResult {
    const names = Object.keys(value);
    if (!within(names.length, schema, "Properties")) return null;
    if (requiredNames(schema, value).some((name) => !Object.hasOwn(value, name))) return null;
    const fits = (part: Schema): ValidationResult => this.#validate(value, part, depth, active);
    return validateAll(
      [
        () =>
          "propertyNames" in schema
            ? validateAll(names, (name) => this.#validate(name, schema["propertyNames"] as Schema, depth))
            : VALID,
        () => validateAll(dependentSchemas(schema, value), fits),
        () => validateAll(names, (name) => this.#validateProperty(value[name]!, schema, name, depth)),
        () => (names.length > 0 ? unevaluated(schema, "unevaluatedProperties") : VALID),
      ],
      (check) => check(),
    );
  }

  #validateProperty(value: Json, schema: JsonObject, name: string, depth: number): ValidationResult {
    const { sure, patterns, rest } = this.#property(schema, name);
    const fits = (part: Schema): ValidationResult => this.#validate(value, part, depth);
    const result = validateAll(sure, fits);
    if (result === null) return null;
    const unverified = [...result];
    if (validateAll(patterns, fits)?.length !== 0) unverified.push({ schema, keyword: "patternProperties" });
    if (validateAll(rest, fits)?.length !== 0) unverified.push({ schema, keyword: "additionalProperties" });
    return unverified;
  }

  /** Whether the schema is `other` or applies it to the same value by references and combinations. */
  includesSubschema(schema: JsonObject, other: JsonObject): boolean {
    let parts = this.#subschemas.get(schema);
    if (parts === undefined) {
      parts = new Set<Schema>([schema]);
      for (const part of parts) {
        if (typeof part === "boolean") continue;
        const { $ref, allOf = [], anyOf = [], oneOf = [] } = part;
        for (const list of [allOf, anyOf, oneOf]) for (const option of list as Schema[]) parts.add(option);
        if (typeof $ref === "string") parts.add(this.#document.resolve(part));
      }
      this.#subschemas.set(schema, parts);
    }
    return parts.has(other);
  }

  /** The subschemas that apply or may apply to the property: by name, by pattern, or as additional. */
  propertySchemas(schema: JsonObject, name: string): Schema[] {
    const { sure, patterns, rest } = this.#property(schema, name);
    return [...sure, ...patterns, ...rest];
  }

  /** The subschemas that certainly apply to the property. */
  certainPropertySchemas(schema: JsonObject, name: string): Schema[] {
    return this.#property(schema, name).sure;
  }

  /**
   * `sure`: subschemas that certainly apply. `patterns`: those of unsupported patterns, which may match the name. `rest`:
   * `additionalProperties`, which applies if none of `patterns` does.
   */
  #property(schema: JsonObject, name: string): Record<"sure" | "patterns" | "rest", Schema[]> {
    const { properties, patternProperties, additionalProperties } = schema;
    const sure: Schema[] = [];
    const patterns: Schema[] = [];
    const rest: Schema[] = [];
    if (isObject(properties) && Object.hasOwn(properties, name)) sure.push(properties[name] as Schema);
    for (const [pattern, part] of Object.entries(isObject(patternProperties) ? patternProperties : {})) {
      const found = this.#matches(name, pattern);
      if (found !== false) (found ? sure : patterns).push(part as Schema);
    }
    if (sure.length === 0 && additionalProperties !== undefined)
      (patterns.length === 0 ? sure : rest).push(additionalProperties as Schema);
    return { sure, patterns, rest };
  }
}

/** The result of a `oneOf` from the results of its options. */
function exactlyOne(results: readonly ValidationResult[], schema: JsonObject): ValidationResult {
  const possible = results.filter((result) => result !== null);
  const certain = possible.filter((result) => result.length === 0).length;
  if (certain > 1 || possible.length === 0) return null;
  const only = possible.length === 1;
  return [...(certain === 0 ? possible.flat() : []), ...(only ? [] : [{ schema, keyword: "oneOf" }])];
}

/** Unverified unless the keyword allows everything: the validator does not track evaluated items and properties. */
function unevaluated(schema: JsonObject, keyword: string): readonly UnverifiedKeyword[] {
  return keyword in schema && schema[keyword] !== true ? [{ schema, keyword }] : [];
}

function requiredNames(schema: JsonObject, value: JsonObject): string[] {
  const names = [...((schema["required"] as string[] | undefined) ?? [])];
  for (const key of ["dependentRequired", "dependencies"]) {
    for (const [name, needed] of Object.entries(isObject(schema[key]) ? schema[key] : {})) {
      if (Array.isArray(needed) && Object.hasOwn(value, name)) names.push(...(needed as string[]));
    }
  }
  return names;
}

function dependentSchemas(schema: JsonObject, value: JsonObject): Schema[] {
  return ["dependentSchemas", "dependencies"].flatMap((key) =>
    Object.entries(isObject(schema[key]) ? schema[key] : {})
      .filter(([name, part]) => !Array.isArray(part) && Object.hasOwn(value, name))
      .map(([, part]) => part as Schema),
  );
}

/** The subschemas of the item at `index`, by `prefixItems` or the older form of `items`. */
export function itemSchemas(schema: JsonObject, index: number): Schema[] {
  const { items, prefixItems, additionalItems } = schema;
  const [prefix, rest] = Array.isArray(items)
    ? [items, additionalItems]
    : [(prefixItems ?? []) as Json[], items];
  const part = index < prefix.length ? prefix[index] : rest;
  return part === undefined ? [] : [part as Schema];
}

export function jsonTypeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  if (value instanceof ExactNumber) return value.decimal.scale === 0 ? "integer" : "number";
  return typeof value;
}

function within(count: number, schema: JsonObject, unit: string): boolean {
  return (
    count >= Number(schema[`min${unit}`] ?? 0) &&
    count <= Number(schema[`max${unit}`] ?? Number.POSITIVE_INFINITY)
  );
}

function fitsNumber(value: JsonNumber, schema: JsonObject): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const order = (bound: JsonNumber): number => compareDecimals(toDecimal(value), toDecimal(bound));
  if (isNumber(minimum) && order(minimum) < (exclusiveMinimum === true ? 1 : 0)) return false;
  if (isNumber(maximum) && order(maximum) > (exclusiveMaximum === true ? -1 : 0)) return false;
  if (isNumber(exclusiveMinimum) && order(exclusiveMinimum) <= 0) return false;
  if (isNumber(exclusiveMaximum) && order(exclusiveMaximum) >= 0) return false;
  return !isNumber(multipleOf) || isMultiple(value, multipleOf);
}
