import { badRequest } from "../../../lib/errors.ts";

export type JsonObject = { [key: string]: unknown };

/** Deepest nesting of a schema or of arguments: above any real one, and too little to overflow a recursive parser. */
export const MAX_JSON_DEPTH = 128;
/** Most values in one schema or one call's arguments. */
const MAX_JSON_VALUES = 50_000;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks depth and size without recursion, so that no depth overflows the stack. @throws AppError BAD_REQUEST naming `path`. */
export function checkJsonLimits(value: unknown, path: string): void {
  const pending: { value: unknown; depth: number }[] = [{ value, depth: 1 }];
  let values = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    values++;
    if (typeof next.value !== "object" || next.value === null) continue;
    if (next.depth > MAX_JSON_DEPTH) {
      throw badRequest(path, `${path} is nested deeper than ${MAX_JSON_DEPTH} levels.`);
    }
    const children = Object.values(next.value);
    if (values + pending.length + children.length > MAX_JSON_VALUES) {
      throw badRequest(path, `${path} holds more than ${MAX_JSON_VALUES} values.`);
    }
    for (const child of children) pending.push({ value: child, depth: next.depth + 1 });
  }
}

/** Shortens a client's name and replaces its control characters, so that it can be part of a field path. */
export function sanitizePathSegment(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?").slice(0, 64);
}
