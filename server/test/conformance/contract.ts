/** Checks of responses against the contract file. */
import { readFileSync } from "node:fs";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { expect } from "vitest";
import type { HttpResponse, Json } from "../harness/http.ts";

export const contract = JSON.parse(
  readFileSync(new URL("../../../contract/inference.openapi.json", import.meta.url), "utf8"),
) as Json;

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(contract, "contract");

/** Fails with the validation errors unless `value` matches the contract's `schema`. */
export function expectShape(schema: string, value: unknown): void {
  const check = ajv.getSchema(`contract#/components/schemas/${schema}`);
  if (check === undefined) throw new Error(`the contract has no ${schema}`);
  const right = check(value);
  const problems = (check.errors ?? []).map((e: ErrorObject) => `${e.instancePath} ${e.message}`);
  expect(right ? [] : problems, `${schema}: ${JSON.stringify(value)}`).toEqual([]);
}

/** Checks an error's status, code, type and shape against the contract's error table. */
export function expectError(
  response: Pick<HttpResponse, "status" | "json" | "text">,
  code: string,
  param: string | null,
): void {
  const row = contract.info["x-error-table"].find((one: { code: string }) => one.code === code);
  expect(response.json, response.text).toEqual({
    error: { message: expect.any(String), type: row.type, code, param, object: "error" },
  });
  expect(response.status).toBe(row.status);
  expectTidy(response.text);
}

/** Checks that a response is a 4xx error in the contract's shape. */
export function expectRefusal(response: Pick<HttpResponse, "status" | "json" | "text">): void {
  expect(response.status, response.text).toBeGreaterThanOrEqual(400);
  expect(response.status, response.text).toBeLessThan(500);
  expectShape("ErrorResponse", response.json);
  expect(response.json.error).toEqual({
    message: expect.stringMatching(/\S/),
    type: expect.any(String),
    code: expect.stringMatching(/^[A-Z_]+$/),
    param: response.json.error.param === null ? null : expect.any(String),
    object: "error",
  });
  expectTidy(response.text);
}

/** Fails when an error reveals a stack or a path of the machine, or holds raw control characters. */
export function expectTidy(text: string): void {
  expect(text).not.toMatch(/node_modules|\.tsx?:\d|\.gguf|\bat [\w.]+ \(|\/(?:root|home|usr|var|tmp|work)\//);
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
}
