import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { badRequest } from "../../lib/errors.ts";
import { toCamelCasePath } from "../../lib/field-names.ts";
import { schemaError } from "../../lib/schema-error.ts";

/** The part of JSON Schema that requests are described with. */
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
 * Reads the body of a resource's request: output-only fields (`readOnly`) are dropped, integers of 64 bits (`format:
 * "int64"`) may come as numbers, and what the schema doesn't name is refused.
 * @param keepNull a null stands for "back to the default", as PATCH needs it; else it is the same as absent.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function createBodyParser(schema: TSchema | undefined, keepNull: boolean): (body: unknown) => object {
  const shape = closeObjects((schema ?? { type: "object", properties: {} }) as SchemaNode);
  const compiled = Compile(shape as TSchema);
  return (body) => {
    const given = body ?? {};
    if (typeof given !== "object" || Array.isArray(given)) {
      throw badRequest("body", "The request body must be a JSON object.");
    }
    const plain = readValue(given, shape, false) as object;
    if (!compiled.Check(plain)) throw schemaError(compiled.Errors(plain));
    return keepNull ? (readValue(given, shape, true) as object) : plain;
  };
}

/** The schema with every message closed, also where its author left that out. */
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
    const entries = Object.entries(value).flatMap(([name, field]) => {
      const inner = fieldSchema(shape, name);
      // A null doesn't hide a name that nobody knows.
      if (inner?.readOnly || (field === null && inner !== undefined && !keepNull)) return [];
      return [[name, readValue(field, inner, keepNull)]];
    });
    return Object.fromEntries(entries);
  }
  if (typeof value === "number" && shape?.format === "int64" && Number.isSafeInteger(value))
    return String(value);
  return value;
}

function fieldSchema(shape: SchemaNode | undefined, name: string): SchemaNode | undefined {
  const { properties, patternProperties, additionalProperties } = shape ?? {};
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name];
  const value = Object.values(patternProperties ?? {})[0] ?? additionalProperties;
  return typeof value === "object" ? value : undefined;
}

/**
 * Reads query parameters by their schema: texts become numbers and booleans, names may be snake_case, and what the
 * schema doesn't name is ignored, as the contract has it.
 * @throws AppError BAD_REQUEST naming the parameter.
 */
export function createQueryParser(schema: TSchema | undefined): (query: Record<string, unknown>) => object {
  const shape = (schema ?? { type: "object", properties: {} }) as SchemaNode;
  const compiled = Compile(shape as TSchema);
  return (query) => {
    const read: Record<string, unknown> = {};
    for (const [given, value] of Object.entries(query)) {
      const name = toCamelCasePath(given);
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
    throw badRequest(name, `${name} holds a character that no text can hold.`);
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
