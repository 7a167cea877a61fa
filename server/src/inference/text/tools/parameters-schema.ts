import { badRequest } from "../../../lib/errors.ts";
import { addKeyword } from "../../../structured-output/schema-text.ts";
import { checkJsonLimits, isJsonObject, type JsonObject, sanitizePathSegment } from "./json-limits.ts";

const TYPES = new Set(["string", "number", "integer", "boolean", "object", "array", "null"]);
/** Keywords whose value is a map of names to schemas. */
const SCHEMA_MAPS = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/** Keywords whose value is one schema. */
const SCHEMAS = [
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
  "contains",
  "not",
  "if",
  "then",
  "else",
];
/** Keywords whose value is a list of schemas. */
const SCHEMA_LISTS = ["anyOf", "oneOf", "allOf", "prefixItems"];

/**
 * Parses a tool's `parameters` to a schema whose type is object; absent or null: no parameters. Checks the types of the
 * keywords' values only. The grammar compiler decides which keywords can be enforced.
 * @throws AppError BAD_REQUEST naming the keyword, such as `tools[0].function.parameters.properties.city.type`.
 */
export function parseParametersSchema(value: unknown, path: string): JsonObject {
  if (value === undefined || value === null) return { type: "object", properties: {} };
  if (!isJsonObject(value)) throw badRequest(path, `${path} must be a JSON schema: an object.`);
  checkJsonLimits(value, path);
  if (value.type !== undefined && value.type !== "object") {
    throw badRequest(`${path}.type`, `${path}.type must be object: a function's parameters are named.`);
  }
  checkSchema(value, path);
  return value.type === undefined ? addKeyword(value, "type", "object") : value;
}

function checkSchema(root: JsonObject, rootPath: string): void {
  const pending: { schema: unknown; path: string }[] = [{ schema: root, path: rootPath }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { schema, path } = next;
    if (typeof schema === "boolean") continue;
    if (!isJsonObject(schema)) throw badRequest(path, `${path} must be a JSON schema: an object.`);
    checkKeywords(schema, path);
    for (const child of subschemas(schema, path)) pending.push(child);
  }
}

function checkKeywords(schema: JsonObject, path: string): void {
  const { type, required, $ref } = schema;
  const enumValues = schema.enum;
  if (type !== undefined) {
    const types = Array.isArray(type) ? type : [type];
    if (types.length === 0 || !types.every((t) => typeof t === "string" && TYPES.has(t))) {
      throw badRequest(`${path}.type`, `${path}.type must be one of ${[...TYPES].join(", ")}, or a list.`);
    }
  }
  if (required !== undefined && !(Array.isArray(required) && required.every((r) => typeof r === "string"))) {
    throw badRequest(`${path}.required`, `${path}.required must be a list of property names.`);
  }
  if (enumValues !== undefined && !(Array.isArray(enumValues) && enumValues.length > 0)) {
    throw badRequest(`${path}.enum`, `${path}.enum must be a list with at least one value.`);
  }
  if ($ref !== undefined && typeof $ref !== "string") {
    throw badRequest(`${path}.$ref`, `${path}.$ref must be a string.`);
  }
}

function* subschemas(schema: JsonObject, path: string): Generator<{ schema: unknown; path: string }> {
  for (const keyword of SCHEMA_MAPS) {
    const map = schema[keyword];
    if (map === undefined) continue;
    const at = `${path}.${keyword}`;
    if (!isJsonObject(map)) throw badRequest(at, `${at} must be an object of JSON schemas.`);
    for (const [name, child] of Object.entries(map))
      yield { schema: child, path: `${at}.${sanitizePathSegment(name)}` };
  }
  for (const keyword of SCHEMA_LISTS) {
    const list = schema[keyword];
    if (list === undefined) continue;
    const at = `${path}.${keyword}`;
    if (!Array.isArray(list) || list.length === 0) {
      throw badRequest(at, `${at} must be a list with at least one JSON schema.`);
    }
    for (const [i, child] of list.entries()) yield { schema: child, path: `${at}[${i}]` };
  }
  for (const keyword of SCHEMAS) {
    if (schema[keyword] !== undefined) yield { schema: schema[keyword], path: `${path}.${keyword}` };
  }
  if (schema.items === undefined) return;
  // Before draft 2020-12 a list in `items` had today's meaning of `prefixItems`.
  const items = Array.isArray(schema.items) ? schema.items : [schema.items];
  for (const [i, child] of items.entries()) {
    yield { schema: child, path: `${path}.items${Array.isArray(schema.items) ? `[${i}]` : ""}` };
  }
}
