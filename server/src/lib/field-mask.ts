import type { TObject } from "typebox";
import { badRequest } from "./errors.ts";
import { sanitizeForMessage, toCamelCasePath } from "./field-names.ts";

const MAX_PATHS = 100;
const MAX_LENGTH = 4_000;

/** The parts of a schema that matter to a mask. */
interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  patternProperties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  readOnly?: boolean;
}

/**
 * The paths that a PATCH changes: those of `updateMask` (comma-separated, camelCase or snake_case, `*` for all), or
 * without a mask the fields in the body. Nested messages are resolved to their single fields; a map or a list is one
 * field. Output-only fields are left out.
 * @param schema schema of the resource; output-only fields are marked `readOnly`.
 * @throws AppError BAD_REQUEST naming updateMask for an unknown path.
 */
export function updatePaths(updateMask: string | undefined, body: object, schema: TObject): string[] {
  const shape = schema as unknown as SchemaNode;
  if (updateMask === undefined || updateMask === "") return presentPaths(body, shape, "");
  const paths = parseMask("updateMask", updateMask, schema);
  const requested = paths ?? Object.keys(shape.properties ?? {}).map((name) => [name]);
  return requested.filter((path) => !isReadOnly(path, shape)).map((path) => path.join("."));
}

/**
 * A copy of `current` in which each of the paths has the body's value. A path that is absent or null in the body is
 * removed, which resets the field to its default.
 */
export function mergePatch<T extends object>(current: T, body: object, paths: readonly string[]): T {
  const merged = structuredClone(current);
  for (const path of paths) {
    const names = path.split(".");
    const value = names.reduce<unknown>((at, name) => ownProperty(at, name), body);
    setPath(merged, names, value ?? undefined);
  }
  return merged;
}

/**
 * Parses a mask. Null: all fields, because the mask is empty or contains `*`.
 * @param param parameter name for error messages.
 * @throws AppError BAD_REQUEST.
 */
export function parseMask(param: string, mask: string, schema: TObject): string[][] | null {
  if (mask.length > MAX_LENGTH) throw badRequest(param, `${param} is longer than ${MAX_LENGTH} characters.`);
  const parts = mask.split(",").map((part) => part.trim());
  if (parts.includes("*") || mask.trim() === "") return null;
  if (parts.length > MAX_PATHS) throw badRequest(param, `${param} names more than ${MAX_PATHS} fields.`);
  return parts.map((part) => resolvePath(param, part, schema as unknown as SchemaNode));
}

/** A copy of `value` with only the fields of the mask. */
export function applyMask(paths: readonly (readonly string[])[], value: object): object {
  const picked = {};
  for (const names of paths) {
    const found = names.reduce<unknown>((at, name) => ownProperty(at, name), value);
    if (found !== undefined) setPath(picked, names, found);
  }
  return picked;
}

function presentPaths(body: object, shape: SchemaNode, prefix: string): string[] {
  return Object.entries(body).flatMap(([name, value]) => {
    const field = shape.properties?.[name];
    if (value === undefined || field?.readOnly) return [];
    const isMessage = field?.properties !== undefined && typeof value === "object" && value !== null;
    const path = prefix + name;
    return isMessage && Object.keys(value).length > 0 ? presentPaths(value, field, `${path}.`) : [path];
  });
}

function resolvePath(param: string, path: string, shape: SchemaNode): string[] {
  const names: string[] = [];
  let at: SchemaNode = shape;
  for (const part of path.split(".")) {
    const name = at.properties === undefined ? part : toCamelCasePath(part);
    const next = childSchema(at, name);
    if (next === null)
      throw badRequest(param, `${param}: ${sanitizeForMessage(path) || "an empty path"} is not a field.`);
    names.push(name);
    at = next;
  }
  return names;
}

/** The schema of a message's field or of a map's values; null: there is no such field. */
function childSchema(shape: SchemaNode, name: string): SchemaNode | null {
  if (name === "" || name === "__proto__") return null;
  const { properties, patternProperties, additionalProperties } = shape;
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name]!;
  const value = Object.values(patternProperties ?? {})[0] ?? additionalProperties;
  return typeof value === "object" ? value : null;
}

function isReadOnly(path: readonly string[], shape: SchemaNode): boolean {
  let at: SchemaNode | null = shape;
  for (const name of path) {
    at = at === null ? null : childSchema(at, name);
    if (at?.readOnly) return true;
  }
  return false;
}

function ownProperty(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function setPath(target: object, names: readonly string[], value: unknown): void {
  let at = target as Record<string, unknown>;
  for (const name of names.slice(0, -1)) {
    const next = ownProperty(at, name);
    if (typeof next === "object" && next !== null) {
      at = next as Record<string, unknown>;
      continue;
    }
    if (value === undefined) return;
    const created = {};
    at[name] = created;
    at = created;
  }
  const last = names.at(-1)!;
  if (value === undefined) delete at[last];
  else at[last] = value;
}
