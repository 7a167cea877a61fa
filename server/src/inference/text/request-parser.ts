import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { badRequest } from "../../lib/errors.ts";
import { schemaError, type UnknownField } from "../../lib/schema-error.ts";
import { refuseUnsupported } from "./parameters.ts";

/** Compiles a schema to a parser of bodies. The parser throws an AppError BAD_REQUEST naming the first invalid field. */
export function createRequestParser<T extends TSchema>(schema: T): (body: unknown) => Static<T> {
  const compiled = Compile(schema);
  return (body) => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw badRequest("body", "The request body must be a JSON object.");
    }
    const merged = mergeExtraBody(body as Record<string, unknown>);
    refuseUnsupported(merged);
    if (compiled.Check(merged)) return merged as Static<T>;
    throw schemaError(compiled.Errors(merged), (field) => describeUnknownField(merged, field));
  };
}

/** Clients recognise an unknown field by these words, to send the request again without it. */
function describeUnknownField(body: object, { path, keys }: UnknownField): string {
  const value = keys.reduce<unknown>((inside, key) => Reflect.get(inside as object, key), body);
  return `Extra inputs are not permitted, field: '${path}', value: ${valueForMessage(value)}`;
}

/** Texts are left out, as they may hold a prompt or a key. */
function valueForMessage(value: unknown): string {
  if (typeof value === "string") return value === "" ? "''" : "'…'";
  if (Array.isArray(value)) return value.length === 0 ? "[]" : "[…]";
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0 ? "{}" : "{…}";
  return JSON.stringify(value);
}

/** Merges the parameters in `extra_body` into the body, for clients that send it as it is; SDKs merge it themselves. */
function mergeExtraBody(body: Record<string, unknown>): Record<string, unknown> {
  const extra = body.extra_body;
  if (extra === undefined) return body;
  if (typeof extra !== "object" || extra === null || Array.isArray(extra)) {
    throw badRequest("extra_body", "extra_body must be an object.");
  }
  const { extra_body: _, ...rest } = body;
  return { ...rest, ...extra };
}
