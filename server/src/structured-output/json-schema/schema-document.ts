import { patternSyntax } from "../automata/pattern-parser.ts";
import { ExactNumber, isNumber, type JsonNumber } from "./decimal.ts";
import { SchemaError } from "./schema-error.ts";

export type Json = null | boolean | JsonNumber | string | Json[] | { [key: string]: Json };
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
      else if (item instanceof ExactNumber) sizeBytes += item.text.length;
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
  return (
    value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof ExactNumber)
  );
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

/** The base of a document without `$id`, against which relative identifiers resolve. */
const DOCUMENT_URI = "schema://document/";

/** A schema with an `$id` of its own, or the document. References within it start at it. */
interface SchemaResource {
  root: Schema;
  anchors: Map<string, JsonObject>;
}

/** A schema document: validates every subschema and resolves references. */
export class SchemaDocument {
  readonly root: Schema;
  readonly #pointers = new Map<JsonObject, string>();
  /** The URI of the resource that each subschema belongs to: that of the nearest `$id`. */
  readonly #uris = new Map<JsonObject, string>();
  readonly #resources = new Map<string, SchemaResource>();

  /** @throws SchemaError for a subschema that is not valid. */
  constructor(root: unknown) {
    this.root = root as Schema;
    this.#resources.set(DOCUMENT_URI, { root: this.root, anchors: new Map() });
    this.#check(root, "", DOCUMENT_URI);
  }

  /** JSON pointer of a subschema of this document. */
  pointerOf(schema: Schema): string {
    return isObject(schema) ? (this.#pointers.get(schema) ?? "") : "";
  }

  /**
   * The schema that the `$ref` of `schema` leads to.
   * @throws SchemaError for a reference that leads out of the document or to no schema.
   */
  resolve(schema: JsonObject): Schema {
    const reference = String(schema["$ref"]);
    const path = `${this.pointerOf(schema)}/$ref`;
    const hash = reference.includes("#") ? reference.indexOf("#") : reference.length;
    const baseUri = this.#uris.get(schema) ?? DOCUMENT_URI;
    const uri = hash === 0 ? baseUri : resolveUri(reference.slice(0, hash), baseUri);
    const resource = uri === null ? undefined : this.#resources.get(uri);
    const fragment = decodeFragment(reference.slice(hash + 1));
    if (uri === null || resource === undefined || fragment === null) {
      throw new SchemaError(path, "Only references within the schema, as in #/$defs/name, can be followed.");
    }
    const anchored = resource.anchors.get(fragment);
    if (anchored !== undefined) return anchored;
    let target: Json | undefined = resource.root;
    let targetUri = uri;
    if (fragment !== "" && !fragment.startsWith("/")) target = undefined;
    for (const part of fragment.split("/").slice(1)) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target =
        target !== undefined && target !== null && typeof target === "object" && Object.hasOwn(target, key)
          ? (target as JsonObject)[key]
          : undefined;
      if (isObject(target)) targetUri = this.#uris.get(target) ?? targetUri;
    }
    if (typeof target === "boolean") return target;
    if (!isObject(target)) throw new SchemaError(path, "The reference leads to no schema.");
    // A target under an unknown keyword has not been checked yet.
    if (!this.#pointers.has(target)) {
      this.#check(target, this.pointerOf(resource.root) + fragment, targetUri);
    }
    return target;
  }

  /** @param parentUri URI of the resource around the schema. */
  #check(schema: unknown, path: string, parentUri: string): void {
    if (typeof schema === "boolean") return;
    if (!isObject(schema)) throw new SchemaError(path, "A schema must be an object or a boolean.");
    if (this.#pointers.has(schema)) return;
    this.#pointers.set(schema, path);
    checkKeywords(schema, path);
    const uri = this.#identify(schema, parentUri);
    for (const key of SINGLE) if (key in schema) this.#check(schema[key], `${path}/${key}`, uri);
    for (const key of LISTS) {
      if (!(key in schema)) continue;
      if (Array.isArray(schema[key]) && schema[key].length === 0) refuseList(`${path}/${key}`);
      this.#checkList(schema[key], `${path}/${key}`, uri);
    }
    if (Array.isArray(schema["items"])) this.#checkList(schema["items"], `${path}/items`, uri);
    else if ("items" in schema) this.#check(schema["items"], `${path}/items`, uri);
    for (const key of MAPS) if (key in schema) this.#checkMap(schema[key], `${path}/${key}`, uri);
    if ("dependentRequired" in schema) {
      checkDependentRequired(schema["dependentRequired"], `${path}/dependentRequired`);
    }
    if ("dependencies" in schema) {
      this.#checkDependencies(schema["dependencies"], `${path}/dependencies`, uri);
    }
  }

  /** Registers the schema's identifier and anchors. Returns the URI of the resource that the schema belongs to. */
  #identify(schema: JsonObject, parentUri: string): string {
    const { $id } = schema;
    let uri = parentUri;
    if (typeof $id === "string" && !$id.startsWith("#")) {
      uri = resolveUri($id, parentUri) ?? parentUri;
      // The document keeps its first URI, so that a reference to it works with and without its `$id`.
      if (!this.#resources.has(uri)) this.#resources.set(uri, { root: schema, anchors: new Map() });
    }
    this.#uris.set(schema, uri);
    const { anchors } = this.#resources.get(uri)!;
    // In drafts 6 and 7 an `$id` that is only a fragment is an anchor.
    const oldAnchor = typeof $id === "string" && $id.startsWith("#") ? $id.slice(1) : undefined;
    for (const anchor of [schema["$anchor"], schema["$dynamicAnchor"], oldAnchor]) {
      if (typeof anchor === "string" && !anchors.has(anchor)) anchors.set(anchor, schema);
    }
    return uri;
  }

  #checkList(list: unknown, path: string, uri: string): void {
    if (!Array.isArray(list)) refuseList(path);
    for (const [index, item] of list.entries()) this.#check(item, `${path}/${index}`, uri);
  }

  /** Each value is a list of property names or, in older drafts, a schema. */
  #checkDependencies(map: unknown, path: string, uri: string): void {
    if (!isObject(map)) throw new SchemaError(path, "This must be an object of lists of property names.");
    for (const [key, item] of Object.entries(map)) {
      const at = `${path}/${escapePointer(key)}`;
      if (!Array.isArray(item)) this.#check(item, at, uri);
      else if (!isNames(item)) throw new SchemaError(at, "This must be a list of property names.");
    }
  }

  #checkMap(map: unknown, path: string, uri: string): void {
    if (!isObject(map)) throw new SchemaError(path, "This must be an object of schemas.");
    for (const [key, item] of Object.entries(map)) this.#check(item, `${path}/${escapePointer(key)}`, uri);
  }
}

function refuseList(path: string): never {
  throw new SchemaError(path, "This must be a list of schemas, not an empty one.");
}

function checkDependentRequired(map: unknown, path: string): void {
  if (!isObject(map)) throw new SchemaError(path, "This must be an object of lists of property names.");
  for (const [key, item] of Object.entries(map)) {
    if (!isNames(item)) {
      throw new SchemaError(`${path}/${escapePointer(key)}`, "This must be a list of property names.");
    }
  }
}

/** The absolute URI without its fragment; null: not a URI. */
function resolveUri(reference: string, base: string): string | null {
  try {
    const url = new URL(reference, base);
    url.hash = "";
    return url.href;
  } catch {
    return null;
  }
}

/** Null: the fragment has a malformed percent-encoding. */
function decodeFragment(fragment: string): string | null {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return null;
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
    if (key in schema && !isCount(schema[key]!)) {
      fail(key, "This must be a whole number, not below 0.");
    }
  }
  for (const key of NUMBERS) if (key in schema && !isNumber(schema[key])) fail(key, "This must be a number.");
  for (const key of ["exclusiveMinimum", "exclusiveMaximum"]) {
    if (key in schema && !isNumber(schema[key]) && typeof schema[key] !== "boolean")
      fail(key, "This must be a number.");
  }
  if ("multipleOf" in schema && !(isNumber(schema["multipleOf"]) && Number(schema["multipleOf"]) > 0)) {
    fail("multipleOf", "This must be a number above 0.");
  }
  for (const key of ["uniqueItems", "nullable"]) {
    if (key in schema && typeof schema[key] !== "boolean") fail(key, "This must be true or false.");
  }
  if ("format" in schema && typeof schema["format"] !== "string") fail("format", "A format must be a text.");
}

function isCount(value: Json): boolean {
  if (value instanceof ExactNumber) return value.decimal.scale === 0 && value.decimal.units >= 0n;
  return Number.isInteger(value) && (value as number) >= 0;
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function isPattern(source: Json): source is string {
  return typeof source === "string" && patternSyntax(source) !== null;
}
