import { SchemaError } from "./schema-error.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
/** A JSON schema. No value fits `false`; every value fits `true`. */
export type Schema = boolean | JsonObject;

export interface SchemaLimits {
  maxBytes: number;
  maxDepth: number;
  /** Most JSON values in the schema. */
  maxNodes: number;
}

export const SCHEMA_LIMITS: SchemaLimits = { maxBytes: 256 * 1024, maxDepth: 100, maxNodes: 50_000 };

/**
 * Checks the size limits. Iterative: a deeply nested schema would overflow the stack of the recursive code after this check.
 * @returns the number of values.
 * @throws SchemaError for a schema beyond the limits or one that is not JSON.
 */
export function measureJson(value: unknown, limits: SchemaLimits): number {
  let level: unknown[] = [value];
  let nodes = 0;
  let sizeBytes = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limits.maxDepth) {
      throw new SchemaError("", `The schema is nested deeper than ${limits.maxDepth} levels.`);
    }
    const next: unknown[] = [];
    for (const item of level) {
      nodes++;
      sizeBytes += 2;
      if (typeof item === "string") sizeBytes += Buffer.byteLength(item);
      else if (typeof item === "number" && !Number.isFinite(item)) {
        throw new SchemaError("", "The schema holds a number that is not finite.");
      } else if (item !== null && typeof item === "object") {
        for (const key of Array.isArray(item) ? [] : Object.keys(item))
          sizeBytes += Buffer.byteLength(key) + 3;
        for (const child of Object.values(item)) next.push(child);
      } else if (!["number", "boolean", "object"].includes(typeof item)) {
        throw new SchemaError("", "The schema is not JSON.");
      }
      if (nodes > limits.maxNodes || next.length > limits.maxNodes || sizeBytes > limits.maxBytes) {
        throw new SchemaError(
          "",
          `The schema is larger than ${limits.maxBytes} bytes or ${limits.maxNodes} values.`,
        );
      }
    }
    level = next;
  }
  return nodes;
}

export function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

const TYPES = new Set(["null", "boolean", "object", "array", "number", "integer", "string"]);
/** Keywords whose value is a schema. */
const SINGLE = [
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
  "additionalItems",
  "unevaluatedItems",
  "contains",
  "not",
  "if",
  "then",
  "else",
];
/** Keywords whose value is a list of schemas. */
const LISTS = ["anyOf", "oneOf", "allOf", "prefixItems"];
/** Keywords whose value is an object of schemas. */
const MAPS = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/** Keywords whose value is a whole number ≥ 0. */
const COUNTS = [
  "minContains",
  "maxContains",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
];
/** Keywords whose value is a number. */
const NUMBERS = ["minimum", "maximum"];

/** A schema document: validates every subschema and resolves references. */
export class SchemaDocument {
  readonly root: Schema;
  readonly #pointers = new Map<JsonObject, string>();
  readonly #anchors = new Map<string, JsonObject>();

  /** @throws SchemaError for a subschema that is not valid. */
  constructor(root: unknown) {
    this.root = this.#check(root, "");
  }

  /** JSON pointer of a subschema of this document. */
  pointerOf(schema: Schema): string {
    return isObject(schema) ? (this.#pointers.get(schema) ?? "") : "";
  }

  /**
   * @param path JSON pointer of the reference, for the error.
   * @throws SchemaError for a reference that leads out of the document or to no schema.
   */
  resolve(reference: string, path: string): Schema {
    let fragment: string | null = null;
    try {
      if (reference.startsWith("#")) fragment = decodeURIComponent(reference.slice(1));
    } catch {
      // Malformed percent-encoding: refused below.
    }
    if (fragment === null)
      throw new SchemaError(path, "Only references within the schema, as in #/$defs/name, can be followed.");
    if (this.#anchors.has(fragment)) return this.#anchors.get(fragment)!;
    let target: Json | undefined = this.root;
    if (fragment !== "" && !fragment.startsWith("/")) target = undefined;
    for (const part of fragment.split("/").slice(1)) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target =
        target !== undefined && target !== null && typeof target === "object" && Object.hasOwn(target, key)
          ? (target as JsonObject)[key]
          : undefined;
    }
    if (typeof target === "boolean") return target;
    if (!isObject(target)) throw new SchemaError(path, "The reference leads to no schema.");
    // A target under an unknown keyword has not been checked yet.
    if (!this.#pointers.has(target)) this.#check(target, fragment);
    return target;
  }

  #check(schema: unknown, path: string): Schema {
    if (typeof schema === "boolean") return schema;
    if (!isObject(schema)) throw new SchemaError(path, "A schema must be an object or a boolean.");
    if (this.#pointers.has(schema)) return schema;
    this.#pointers.set(schema, path);
    checkKeywords(schema, path);
    if (typeof schema["$anchor"] === "string") this.#anchors.set(schema["$anchor"], schema);
    for (const key of SINGLE) if (key in schema) this.#check(schema[key], `${path}/${key}`);
    for (const key of LISTS) if (key in schema) this.#checkList(schema[key], `${path}/${key}`);
    if (Array.isArray(schema["items"])) this.#checkList(schema["items"], `${path}/items`, true);
    else if ("items" in schema) this.#check(schema["items"], `${path}/items`);
    for (const key of MAPS) if (key in schema) this.#checkMap(schema[key], `${path}/${key}`);
    for (const key of ["dependentRequired", "dependencies"]) {
      if (key in schema) this.#checkDependencies(schema[key], `${path}/${key}`, key === "dependencies");
    }
    return schema;
  }

  #checkList(list: unknown, path: string, mayBeEmpty = false): void {
    if (!Array.isArray(list) || (list.length === 0 && !mayBeEmpty)) {
      throw new SchemaError(path, "This must be a list of schemas, not an empty one.");
    }
    for (const [index, item] of list.entries()) this.#check(item, `${path}/${index}`);
  }

  /** @param mayBeSchemas as in `dependencies` of older drafts; else every value is a list of names. */
  #checkDependencies(map: unknown, path: string, mayBeSchemas: boolean): void {
    if (!isObject(map)) throw new SchemaError(path, "This must be an object of lists of property names.");
    for (const [key, item] of Object.entries(map)) {
      const at = `${path}/${escapePointer(key)}`;
      if (mayBeSchemas && !Array.isArray(item)) this.#check(item, at);
      else if (!isNames(item)) throw new SchemaError(at, "This must be a list of property names.");
    }
  }

  #checkMap(map: unknown, path: string): void {
    if (!isObject(map)) throw new SchemaError(path, "This must be an object of schemas.");
    for (const [key, item] of Object.entries(map)) this.#check(item, `${path}/${escapePointer(key)}`);
  }
}

export function escapePointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

function checkKeywords(schema: JsonObject, path: string): void {
  const fail = (key: string, problem: string): never => {
    throw new SchemaError(`${path}/${key}`, problem);
  };
  const { type, required, pattern } = schema;
  if (type !== undefined) {
    const types = Array.isArray(type) ? type : [type];
    if (types.length === 0 || !types.every((name) => typeof name === "string" && TYPES.has(name))) {
      fail("type", `A type must be one of ${[...TYPES].join(", ")}, or a list of them.`);
    }
  }
  if ("enum" in schema && !(Array.isArray(schema["enum"]) && schema["enum"].length > 0)) {
    fail("enum", "An enum must be a list with at least one value.");
  }
  if (required !== undefined && !isNames(required))
    fail("required", "Required must be a list of property names.");
  if ("$ref" in schema && typeof schema["$ref"] !== "string") fail("$ref", "A reference must be a text.");
  if (pattern !== undefined && !isPattern(pattern))
    fail("pattern", "The pattern is not a regular expression.");
  for (const key of Object.keys(isObject(schema["patternProperties"]) ? schema["patternProperties"] : {})) {
    if (!isPattern(key)) fail("patternProperties", "A name in it is not a regular expression.");
  }
  for (const key of COUNTS) {
    if (key in schema && !(Number.isInteger(schema[key]) && (schema[key] as number) >= 0)) {
      fail(key, "This must be a whole number, not below 0.");
    }
  }
  for (const key of NUMBERS)
    if (key in schema && typeof schema[key] !== "number") fail(key, "This must be a number.");
  for (const key of ["exclusiveMinimum", "exclusiveMaximum"]) {
    if (key in schema && !["number", "boolean"].includes(typeof schema[key]))
      fail(key, "This must be a number.");
  }
  if ("multipleOf" in schema && !(typeof schema["multipleOf"] === "number" && schema["multipleOf"] > 0)) {
    fail("multipleOf", "This must be a number above 0.");
  }
  for (const key of ["uniqueItems", "nullable"]) {
    if (key in schema && typeof schema[key] !== "boolean") fail(key, "This must be true or false.");
  }
  if ("format" in schema && typeof schema["format"] !== "string") fail("format", "A format must be a text.");
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function isPattern(source: Json): source is string {
  if (typeof source !== "string") return false;
  try {
    new RegExp(source, "u");
    return true;
  } catch {
    return false;
  }
}
