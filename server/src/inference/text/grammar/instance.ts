import { isMultiple } from "./decimal.ts";
import { FORMATS, NUMBER_FORMATS } from "./formats.ts";
import { type Machine, patternMachine, runMachine } from "./machine.ts";
import { parsePattern } from "./pattern.ts";
import { isObject, type Json, type JsonObject, type Schema, type SchemaDocument } from "./schema-document.ts";

/** References and combinations followed for one value. */
const MAX_DEPTH = 64;

/** Texts that are the same exactly if the values are equal. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}

/** Whether a value is valid, as JSON schema says. Formats and patterns that cannot be checked count as met. */
export class InstanceCheck {
  readonly #document: SchemaDocument;
  readonly #uncertain: (schema: JsonObject, keyword: string) => void;
  readonly #lists = new Map<JsonObject, Set<string>>();
  readonly #machines = new Map<string, Machine | null>();

  /** @param uncertain is told of keywords that count as met without being known to be. */
  constructor(document: SchemaDocument, uncertain: (schema: JsonObject, keyword: string) => void = () => {}) {
    this.#document = document;
    this.#uncertain = uncertain;
  }

  fits(value: Json, schema: Schema, depth = 0): boolean {
    if (typeof schema === "boolean") return schema;
    if (depth > MAX_DEPTH) return false;
    return (
      this.#fitsGeneral(value, schema) &&
      this.#fitsCombinations(value, schema, depth + 1) &&
      this.#fitsType(value, schema, depth + 1)
    );
  }

  /** Whether the pattern is found in the text; true for patterns that are not supported. */
  matches(text: string, pattern: string): boolean {
    const machine = this.#machine(pattern);
    return machine === null || runMachine(machine, text);
  }

  #machine(pattern: string): Machine | null {
    let machine = this.#machines.get(pattern);
    if (machine === undefined) {
      const parsed = parsePattern(pattern);
      machine = parsed && patternMachine(parsed);
      this.#machines.set(pattern, machine);
    }
    return machine;
  }

  #fitsGeneral(value: Json, schema: JsonObject): boolean {
    const { type, enum: values, nullable } = schema;
    if (type !== undefined && !(nullable === true && value === null)) {
      const types = Array.isArray(type) ? type : [type];
      if (!types.some((name) => name === typeOf(value) || (name === "number" && typeof value === "number")))
        return false;
    }
    if ("const" in schema && canonical(schema["const"]!) !== canonical(value)) return false;
    return !Array.isArray(values) || this.#listOf(schema, values).has(canonical(value));
  }

  #listOf(schema: JsonObject, values: readonly Json[]): Set<string> {
    let list = this.#lists.get(schema);
    if (list === undefined) {
      list = new Set(values.map(canonical));
      this.#lists.set(schema, list);
    }
    return list;
  }

  #fitsCombinations(value: Json, schema: JsonObject, depth: number): boolean {
    const fits = (part: Schema): boolean => this.fits(value, part, depth);
    const list = (key: string): Schema[] => (schema[key] as Schema[] | undefined) ?? [];
    if (typeof schema["$ref"] === "string") {
      if (!fits(this.#document.resolve(schema["$ref"], this.#document.pointerOf(schema)))) return false;
    }
    if (!list("allOf").every(fits)) return false;
    if ("anyOf" in schema && !list("anyOf").some(fits)) return false;
    if ("oneOf" in schema && list("oneOf").filter(fits).length !== 1) return false;
    if ("not" in schema && fits(schema["not"] as Schema)) return false;
    if (!("if" in schema)) return true;
    const branch = fits(schema["if"] as Schema) ? schema["then"] : schema["else"];
    return branch === undefined || fits(branch as Schema);
  }

  #fitsType(value: Json, schema: JsonObject, depth: number): boolean {
    if (typeof value === "number") return fitsNumber(value, schema);
    if (typeof value === "string") return this.#fitsString(value, schema);
    if (Array.isArray(value)) return this.#fitsArray(value, schema, depth);
    return !isObject(value) || this.#fitsObject(value, schema, depth);
  }

  #fitsString(value: string, schema: JsonObject): boolean {
    const { pattern, format } = schema;
    if (typeof pattern === "string") {
      if (!this.matches(value, pattern)) return false;
      if (this.#machine(pattern) === null) this.#uncertain(schema, "pattern");
    }
    // A format's pattern does not know all that is valid.
    if (typeof format === "string" && !NUMBER_FORMATS.has(format)) {
      const known = FORMATS.get(format);
      if (known === undefined || !this.matches(value, `^(?:${known})$`)) this.#uncertain(schema, "format");
    }
    return within([...value].length, schema, "Length");
  }

  #fitsArray(value: Json[], schema: JsonObject, depth: number): boolean {
    if (!within(value.length, schema, "Items")) return false;
    if (schema["uniqueItems"] === true && new Set(value.map(canonical)).size < value.length) return false;
    if (
      !value.every((item, index) => itemSchemas(schema, index).every((part) => this.fits(item, part, depth)))
    )
      return false;
    if (!("contains" in schema)) return true;
    const found = value.filter((item) => this.fits(item, schema["contains"] as Schema, depth)).length;
    return found >= Number(schema["minContains"] ?? 1) && found <= Number(schema["maxContains"] ?? Infinity);
  }

  #fitsObject(value: JsonObject, schema: JsonObject, depth: number): boolean {
    if (!within(Object.keys(value).length, schema, "Properties")) return false;
    if (((schema["required"] as string[] | undefined) ?? []).some((name) => !Object.hasOwn(value, name)))
      return false;
    if ("propertyNames" in schema) {
      const names = schema["propertyNames"] as Schema;
      if (!Object.keys(value).every((name) => this.fits(name, names, depth))) return false;
    }
    return Object.entries(value).every(([name, item]) =>
      this.propertySchemas(schema, name).every((part) => this.fits(item, part, depth)),
    );
  }

  /** What one schema says about the property: its own, by pattern, or as additional. */
  propertySchemas(schema: JsonObject, name: string): Schema[] {
    const { properties, patternProperties, additionalProperties } = schema;
    const found: Schema[] = [];
    if (isObject(properties) && Object.hasOwn(properties, name)) found.push(properties[name] as Schema);
    for (const [pattern, part] of Object.entries(isObject(patternProperties) ? patternProperties : {})) {
      if (this.matches(name, pattern)) found.push(part as Schema);
    }
    if (found.length === 0 && additionalProperties !== undefined) found.push(additionalProperties as Schema);
    return found;
  }
}

/** What one schema says about the item at `index`, in the keywords of either draft. */
export function itemSchemas(schema: JsonObject, index: number): Schema[] {
  const { items, prefixItems, additionalItems } = schema;
  const [prefix, rest] = Array.isArray(items)
    ? [items, additionalItems]
    : [(prefixItems ?? []) as Json[], items];
  const part = index < prefix.length ? prefix[index] : rest;
  return part === undefined ? [] : [part as Schema];
}

export function typeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function within(count: number, schema: JsonObject, unit: string): boolean {
  return (
    count >= Number(schema[`min${unit}`] ?? 0) &&
    count <= Number(schema[`max${unit}`] ?? Number.POSITIVE_INFINITY)
  );
}

function fitsNumber(value: number, schema: JsonObject): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (typeof minimum === "number" && (value < minimum || (exclusiveMinimum === true && value === minimum)))
    return false;
  if (typeof maximum === "number" && (value > maximum || (exclusiveMaximum === true && value === maximum)))
    return false;
  if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) return false;
  if (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum) return false;
  return typeof multipleOf !== "number" || isMultiple(value, multipleOf);
}
