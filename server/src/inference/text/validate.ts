import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { type AppError, badRequest } from "../../lib/errors.ts";
import { refuseNotYet } from "./parameters.ts";

/** A body checker compiled once from its schema. @throws AppError BAD_REQUEST naming the first offending field. */
export function bodyParser<T extends TSchema>(schema: T): (body: unknown) => Static<T> {
  const compiled = Compile(schema);
  return (body) => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw badRequest("body", "The request body must be a JSON object.");
    }
    const merged = mergeExtraBody(body as Record<string, unknown>);
    refuseNotYet(merged);
    if (compiled.Check(merged)) return merged as Static<T>;
    throw describe(compiled.Errors(merged));
  };
}

/** A literal `extra_body` holds further parameters, as SDKs would have merged them before sending. */
function mergeExtraBody(body: Record<string, unknown>): Record<string, unknown> {
  const extra = body.extra_body;
  if (extra === undefined) return body;
  if (typeof extra !== "object" || extra === null || Array.isArray(extra)) {
    throw badRequest("extra_body", "extra_body must be an object.");
  }
  const { extra_body: _, ...rest } = body;
  return { ...rest, ...extra };
}

interface SchemaError {
  keyword: string;
  instancePath: string;
  message: string;
  params: object;
}

/** The most telling of a schema's errors (the validator stops at eight): unknown and missing fields, then the deepest path. */
function describe(errors: Iterable<SchemaError>): AppError {
  const all = [...errors];
  for (const { keyword, instancePath, params } of all) {
    if (keyword === "additionalProperties") {
      const [name] = (params as { additionalProperties: string[] }).additionalProperties as [string];
      const path = fieldPath(instancePath, clip(name));
      return badRequest(path, `Unknown field: ${path}.`);
    }
    if (keyword === "required") {
      const name = (params as { requiredProperties: string[] }).requiredProperties[0] as string;
      return badRequest(
        fieldPath(instancePath, name),
        `The field ${fieldPath(instancePath, name)} is required.`,
      );
    }
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
