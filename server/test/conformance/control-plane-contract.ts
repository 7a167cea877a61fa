/** A client of the control plane that checks every response against the contract. */
import { readFileSync } from "node:fs";
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { expect } from "vitest";
import { type HttpResponse, type Json, type SendOptions, send, type Target } from "../harness/http.ts";

export const contract = JSON.parse(
  readFileSync(new URL("../../../contract/control-plane.openapi.json", import.meta.url), "utf8"),
) as Json;

export interface Operation {
  operationId: string;
  /** In upper case. */
  method: string;
  /** `/v1/accounts/{account_id}/models/{model_id}:prepare`. */
  path: string;
  /** The resource it belongs to: `models`. */
  tag: string;
  summary: string;
}

export const operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries<Json>(contract.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, { operationId, tags, summary }]) => [
      operationId,
      { operationId, method: method.toUpperCase(), path, tag: tags[0], summary },
    ]),
  ),
);

const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addFormat("int64", { type: "string", validate: /^-?(?:0|[1-9]\d{0,18})$/ });
// The contract allows RFC 3339 times in UTC only.
ajv.addFormat("date-time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/);
ajv.addSchema(closed(contract), "control-plane");

/** The schema with additional properties forbidden: a response may have only the contract's fields. */
function closed(value: Json): Json {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, field]) => [name, closed(field)]));
  const isMessage = copy["type"] === "object" && copy["properties"] !== undefined;
  return isMessage ? { additionalProperties: false, ...copy } : copy;
}

/** Fails with the validation errors unless `value` matches the contract's `schema`. */
export function expectShape(schema: string, value: unknown): void {
  expectValid(ajv.getSchema(`control-plane#/components/schemas/${schema}`), schema, value);
}

/** Fails with the validation errors unless `value` matches the operation's response schema. */
export function expectAnswer(operationId: string, value: unknown): void {
  const { method, path } = operation(operationId);
  const pointer = [
    "paths",
    path,
    method.toLowerCase(),
    "responses",
    "200",
    "content",
    "application/json",
    "schema",
  ]
    .map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1")))
    .join("/");
  expectValid(ajv.getSchema(`control-plane#/${pointer}`), operationId, value);
}

function expectValid(check: ValidateFunction | undefined, what: string, value: unknown): void {
  if (check === undefined) throw new Error(`the contract has no ${what}`);
  const right = check(value);
  const problems = (check.errors ?? []).map(
    ({ instancePath, message, params }: ErrorObject) =>
      `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
  expect(right ? [] : problems, `${what}: ${JSON.stringify(value)}`).toEqual([]);
}

function operation(operationId: string): Operation {
  const found = operations.get(operationId);
  if (found === undefined) throw new Error(`the contract has no operation ${operationId}`);
  return found;
}

/** The operations that have succeeded in this file. */
const exercised = new Set<string>();

export interface CallOptions extends Omit<SendOptions, "method"> {
  /** The path's parameters by the contract's names: `{ account_id: "a" }`. */
  params?: Record<string, string>;
  query?: Record<string, string | number | boolean>;
}

/**
 * Sends one request and checks the response's shape against the contract, for errors also the code. The content is for the
 * test to check.
 */
export async function call(
  target: Target,
  operationId: string,
  options: CallOptions = {},
): Promise<HttpResponse> {
  const { params = {}, query = {}, ...rest } = options;
  const { method, path } = operation(operationId);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const id = params[name];
    if (id === undefined) throw new Error(`${operationId} needs ${name}`);
    return encodeURIComponent(id);
  });
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]) => [name, String(value)] as [string, string]),
  );
  const response = await send(target, search.size === 0 ? filled : `${filled}?${search}`, {
    method,
    ...rest,
  });
  if (response.status === 200) {
    expectAnswer(operationId, response.json);
    exercised.add(operationId);
  } else {
    expectErrorShape(response);
  }
  return response;
}

/** As `call`, for requests that must succeed; resolves with the response's body. */
export async function succeed(target: Target, operationId: string, options?: CallOptions): Promise<Json> {
  const response = await call(target, operationId, options);
  expect(response.status, response.text).toBe(200);
  return response.json;
}

/** Fails unless every operation of the resource has succeeded in this file. */
export function expectAllExercised(tag: string): void {
  const all = [...operations.values()].filter((one) => one.tag === tag).map((one) => one.operationId);
  expect(all.length, `operations of ${tag}`).toBeGreaterThan(0);
  expect(all.filter((operationId) => !exercised.has(operationId))).toEqual([]);
}

/** Checks an error: gRPC's code by name, its number, the HTTP status and the field that the error names; null: no field. */
export function expectRefusal(response: HttpResponse, code: string, field: string | null): void {
  const { "x-grpc-number": numbers, "x-http-status": statuses } = contract.components.schemas.StatusCode;
  expectErrorShape(response);
  expect({ status: response.status, code: response.json.code }, response.text).toEqual({
    status: statuses[code],
    code: numbers[code],
  });
  const fields = response.json.details.flatMap((detail: Json) =>
    (detail.fieldViolations ?? []).map((violation: Json) => violation.field),
  );
  expect(fields, response.text).toEqual(field === null ? [] : [field]);
}

function expectErrorShape(response: HttpResponse): void {
  expect(response.status, response.text).toBeGreaterThanOrEqual(400);
  expectShape("RpcStatus", response.json);
  expect(response.json.message, response.text).toMatch(/\S/);
  // An error must not reveal a stack or a path of the machine, nor hold raw control characters.
  expect(response.text).not.toMatch(
    /node_modules|\bat [\w.]+ \(|\/(?:root|home|usr|var|tmp)\/|[\u0000-\u001f\u007f]/,
  );
}
