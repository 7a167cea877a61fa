import { type AppError, badRequest } from "./errors.ts";

interface SchemaError {
  keyword: string;
  instancePath: string;
  message: string;
  params: object;
}

/** A field that the schema doesn't have. */
export interface UnknownField {
  /** `messages[0].content`, safe to echo. */
  path: string;
  /** The names and indices that lead from the value to the field. */
  keys: readonly string[];
}

/**
 * Converts the validator's errors, of which there are at most eight, to a 400 about the most specific one: an unknown
 * field, then a missing field, then the error with the deepest path.
 * @param describeUnknown the message for an unknown field
 */
export function schemaError(
  errors: Iterable<SchemaError>,
  describeUnknown = ({ path }: UnknownField) => `Unknown field: ${path}.`,
): AppError {
  const all = [...errors];
  const unknown = all.find(({ keyword }) => keyword === "additionalProperties");
  if (unknown !== undefined) {
    const [name] = (unknown.params as { additionalProperties: string[] }).additionalProperties as [string];
    const path = fieldPath(unknown.instancePath, clip(name));
    return badRequest(path, describeUnknown({ path, keys: [...pointerKeys(unknown.instancePath), name] }));
  }
  const missing = all.find(({ keyword }) => keyword === "required");
  if (missing !== undefined) {
    const [name] = (missing.params as { requiredProperties: string[] }).requiredProperties as [string];
    const path = fieldPath(missing.instancePath, name);
    return badRequest(path, `The field ${path} is required.`);
  }
  const isNull = (e: SchemaError): boolean => (e.params as { type?: string }).type === "null";
  const concrete = all.filter((e) => e.keyword !== "anyOf");
  // Null is an alternative of most fields and not worth a word, but some may be nothing else.
  const specific = concrete.every(isNull) ? concrete : concrete.filter((e) => !isNull(e));
  const depth = (e: SchemaError): number => e.instancePath.split("/").length;
  const deepest = specific.reduce(
    (a, b) => (depth(b) > depth(a) ? b : a),
    specific[0] ?? (all[0] as SchemaError),
  );
  const path = fieldPath(deepest.instancePath) || "body";
  return badRequest(
    path,
    `${path} ${describeErrors(specific.filter((e) => e.instancePath === deepest.instancePath))}.`,
  );
}

/** Merges the errors of one field, one from each alternative of its schema, to the end of a sentence. */
function describeErrors(errors: readonly SchemaError[]): string {
  const violation = errors.find((e) => e.keyword !== "type" && e.keyword !== "const");
  if (violation?.keyword === "enum") {
    return `must be one of ${(violation.params as { allowedValues: unknown[] }).allowedValues.join(", ")}`;
  }
  if (violation !== undefined) return violation.message;
  const values = errors
    .filter((e) => e.keyword === "const")
    .map((e) => (e.params as { allowedValue: unknown }).allowedValue);
  if (values.length > 0) return `must be one of ${values.join(", ")}`;
  return `must be ${errors.map((e) => (e.params as { type: string }).type).join(" or ")}`;
}

/** `/messages/0/content` → `messages[0].content`. */
function fieldPath(pointer: string, last?: string): string {
  const parts = pointerKeys(pointer);
  if (last !== undefined) parts.push(last);
  return parts.reduce((path, part) => {
    if (/^\d+$/.test(part)) return `${path}[${part}]`;
    return path === "" ? part : `${path}.${part}`;
  }, "");
}

/** `/messages/0/content` → `messages`, `0`, `content`. */
function pointerKeys(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Makes a name from the client safe to echo: short, without control characters. */
function clip(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?").slice(0, 64);
}
