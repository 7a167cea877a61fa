import { badRequest } from "../../../lib/errors.ts";

export type JsonObject = { [key: string]: unknown };

/** Deepest nesting of a schema or of arguments; far above any real one, far below what overflows a recursive reader. */
export const MAX_JSON_DEPTH = 128;
/** Most values in one schema or one call's arguments. */
const MAX_JSON_VALUES = 50_000;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Walks without recursion, so any depth can be refused. @throws AppError BAD_REQUEST naming `path`. */
export function checkJsonLimits(value: unknown, path: string): void {
  const open: { value: unknown; depth: number }[] = [{ value, depth: 1 }];
  let values = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    values++;
    if (typeof next.value !== "object" || next.value === null) continue;
    if (next.depth > MAX_JSON_DEPTH) {
      throw badRequest(path, `${path} is nested deeper than ${MAX_JSON_DEPTH} levels.`);
    }
    const children = Object.values(next.value);
    if (values + open.length + children.length > MAX_JSON_VALUES) {
      throw badRequest(path, `${path} holds more than ${MAX_JSON_VALUES} values.`);
    }
    for (const child of children) open.push({ value: child, depth: next.depth + 1 });
  }
}

/** A client's name as part of a field path: short, without control characters. */
export function sanitizePathSegment(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?").slice(0, 64);
}
