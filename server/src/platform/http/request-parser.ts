import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { badRequest } from "../../lib/errors.ts";
import { toCamelCasePath } from "../../lib/field-names.ts";
import { schemaError } from "../../lib/schema-error.ts";

/** The keywords of JSON Schema that request schemas use. */
interface SchemaNode {
  type?: string;
  format?: string;
  readOnly?: boolean;
  properties?: Record<string, SchemaNode>;
  patternProperties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  items?: SchemaNode;
}

/**
 * Parses the bodies of a resource's requests. Output-only fields (`readOnly`) are dropped, 64-bit integers (`format:
 * "int64"`) may be numbers, names may be snake_case, and unknown fields are refused.
 * @param keepNull keeps nulls, which reset a field to its default in a PATCH; otherwise a null is treated as absent
 * @throws AppError BAD_REQUEST naming the field.
 */
export function createBodyParser(schema: TSchema | undefined, keepNull: boolean): (body: unknown) => object {
  const shape = closeObjects((schema ?? { type: "object", properties: {} }) as SchemaNode);
  const compiled = Compile(shape as TSchema);
  return (body) => {
    const value = body ?? {};
    if (typeof value !== "object" || Array.isArray(value)) {
      throw badRequest("body", "The request body must be a JSON object.");
    }
    const withoutNulls = readValue(value, shape, false) as object;
    if (!compiled.Check(withoutNulls)) throw schemaError(compiled.Errors(withoutNulls));
    return keepNull ? (readValue(value, shape, true) as object) : withoutNulls;
  };
}

/** The schema with `additionalProperties: false` on each object that doesn't say otherwise. */
function closeObjects(shape: SchemaNode): SchemaNode {
  const copy: SchemaNode = { ...shape };
  if (shape.properties !== undefined) {
    copy.properties = mapValues(shape.properties, closeObjects);
    copy.additionalProperties ??= false;
  }
  if (shape.patternProperties !== undefined)
    copy.patternProperties = mapValues(shape.patternProperties, closeObjects);
  if (typeof shape.additionalProperties === "object")
    copy.additionalProperties = closeObjects(shape.additionalProperties);
  if (shape.items !== undefined) copy.items = closeObjects(shape.items);
  return copy;
}

function readValue(value: unknown, shape: SchemaNode | undefined, keepNull: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => readValue(item, shape?.items, keepNull));
  if (typeof value === "object" && value !== null) {
    const names = new Set<string>();
    const entries = Object.entries(value).flatMap(([given, field]) => {
      const name = fieldName(shape, given);
      if (names.has(name)) throw badRequest(name, `The field ${name} is given twice.`);
      names.add(name);
      const inner = fieldSchema(shape, name);
      // An unknown field stays even if it is null, so that the schema refuses it.
      if (inner?.readOnly || (field === null && inner !== undefined && !keepNull)) return [];
      return [[name, readValue(field, inner, keepNull)]];
    });
    return Object.fromEntries(entries);
  }
  if (typeof value === "number" && shape?.format === "int64" && Number.isSafeInteger(value))
    return String(value);
  return value;
}

/** The schema's name of a field: like protobuf's JSON parsers, this one takes `display_name` for `displayName`. */
function fieldName({ properties }: SchemaNode = {}, given: string): string {
  if (properties === undefined || Object.hasOwn(properties, given)) return given;
  const name = toCamelCasePath(given);
  return Object.hasOwn(properties, name) ? name : given;
}

function fieldSchema(shape: SchemaNode | undefined, name: string): SchemaNode | undefined {
  const { properties, patternProperties, additionalProperties } = shape ?? {};
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name];
  const value = Object.values(patternProperties ?? {})[0] ?? additionalProperties;
  return typeof value === "object" ? value : undefined;
}

/**
 * Parses query parameters by their schema: strings become numbers and booleans, names may be snake_case, and unknown
 * parameters are ignored, as the contract demands.
 * @throws AppError BAD_REQUEST naming the parameter.
 */
export function createQueryParser(schema: TSchema | undefined): (query: Record<string, unknown>) => object {
  const shape = (schema ?? { type: "object", properties: {} }) as SchemaNode;
  const compiled = Compile(shape as TSchema);
  return (query) => {
    const read: Record<string, unknown> = {};
    for (const [rawName, value] of Object.entries(query)) {
      const name = toCamelCasePath(rawName);
      const field = fieldSchema({ properties: shape.properties ?? {} }, name);
      if (field === undefined) continue;
      if (Object.hasOwn(read, name)) throw badRequest(name, `${name} is given twice.`);
      read[name] = readParameter(name, value, field);
    }
    if (!compiled.Check(read)) throw schemaError(compiled.Errors(read));
    return read;
  };
}

function readParameter(name: string, value: unknown, field: SchemaNode): unknown {
  if (field.type === "array") {
    return [value].flat().map((item) => readParameter(name, item, field.items ?? {}));
  }
  if (typeof value !== "string") throw badRequest(name, `${name} is given twice.`);
  if (value.includes("\0") || !value.isWellFormed()) {
    throw badRequest(name, `${name} holds U+0000 or an unpaired surrogate.`);
  }
  if ((field.type === "integer" || field.type === "number") && /^-?\d{1,15}(\.\d{1,15})?$/.test(value)) {
    return Number(value);
  }
  if (field.type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}

function mapValues<T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
