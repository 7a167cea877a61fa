import { type AppError, badRequest } from "./errors.ts";

interface SchemaError {
  keyword: string;
  instancePath: string;
  message: string;
  params: object;
}

/** A 400 out of the most telling of a schema's errors (the validator stops at eight): unknown fields, missing ones, then the deepest path. */
export function schemaError(errors: Iterable<SchemaError>): AppError {
  const all = [...errors];
  const unknown = all.find(({ keyword }) => keyword === "additionalProperties");
  if (unknown !== undefined) {
    const [name] = (unknown.params as { additionalProperties: string[] }).additionalProperties as [string];
    const path = fieldPath(unknown.instancePath, clip(name));
    return badRequest(path, `Unknown field: ${path}.`);
  }
  const missing = all.find(({ keyword }) => keyword === "required");
  if (missing !== undefined) {
    const [name] = (missing.params as { requiredProperties: string[] }).requiredProperties as [string];
    const path = fieldPath(missing.instancePath, name);
    return badRequest(path, `The field ${path} is required.`);
  }
  const telling = all.filter((e) => e.keyword !== "anyOf" && (e.params as { type?: string }).type !== "null");
  const depth = (e: SchemaError): number => e.instancePath.split("/").length;
  const deepest = telling.reduce(
    (a, b) => (depth(b) > depth(a) ? b : a),
    telling[0] ?? (all[0] as SchemaError),
  );
  const path = fieldPath(deepest.instancePath) || "body";
  return badRequest(
    path,
    `${path} ${wording(telling.filter((e) => e.instancePath === deepest.instancePath))}.`,
  );
}

/** One sentence's end out of the errors of one field, whose alternatives each added theirs. */
function wording(errors: readonly SchemaError[]): string {
  const broken = errors.find((e) => e.keyword !== "type" && e.keyword !== "const");
  if (broken?.keyword === "enum") {
    return `must be one of ${(broken.params as { allowedValues: unknown[] }).allowedValues.join(", ")}`;
  }
  if (broken !== undefined) return broken.message;
  const values = errors
    .filter((e) => e.keyword === "const")
    .map((e) => (e.params as { allowedValue: unknown }).allowedValue);
  if (values.length > 0) return `must be one of ${values.join(", ")}`;
  return `must be ${errors.map((e) => (e.params as { type: string }).type).join(" or ")}`;
}

/** `/messages/0/content` → `messages[0].content`. */
function fieldPath(pointer: string, last?: string): string {
  const parts = pointer.split("/").slice(1);
  if (last !== undefined) parts.push(last);
  return parts.reduce((path, part) => {
    if (/^\d+$/.test(part)) return `${path}[${part}]`;
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    return path === "" ? name : `${path}.${name}`;
  }, "");
}

/** A name from the client as it may be echoed: short, without control characters. */
function clip(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?").slice(0, 64);
}
