/** The contract file as checkers. */
import { readFileSync } from "node:fs";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { expect } from "vitest";
import type { Json, Reply } from "../harness/http.ts";

export const contract = JSON.parse(
  readFileSync(new URL("../../../contract/inference.openapi.json", import.meta.url), "utf8"),
) as Json;

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(contract, "contract");

/** Fails, with what is wrong, unless `value` is a `schema` of the contract. */
export function expectShape(schema: string, value: unknown): void {
  const check = ajv.getSchema(`contract#/components/schemas/${schema}`);
  if (check === undefined) throw new Error(`the contract has no ${schema}`);
  const right = check(value);
  const problems = (check.errors ?? []).map((e: ErrorObject) => `${e.instancePath} ${e.message}`);
  expect(right ? [] : problems, `${schema}: ${JSON.stringify(value)}`).toEqual([]);
}

/** Checks a refusal against the contract's error table, exactly. */
export function expectError(
  reply: Pick<Reply, "status" | "json" | "text">,
  code: string,
  param: string | null,
): void {
  const row = contract.info["x-error-table"].find((one: { code: string }) => one.code === code);
  expect(reply.json, reply.text).toEqual({
    error: { message: expect.any(String), type: row.type, code, param, object: "error" },
  });
  expect(reply.status).toBe(row.status);
  expectTidy(reply.text);
}

/** Checks a refusal of the client's mistake: some 4xx in the contract's shape. */
export function expectRefusal(reply: Pick<Reply, "status" | "json" | "text">): void {
  expect(reply.status, reply.text).toBeGreaterThanOrEqual(400);
  expect(reply.status, reply.text).toBeLessThan(500);
  expectShape("ErrorResponse", reply.json);
  expect(reply.json.error).toEqual({
    message: expect.stringMatching(/\S/),
    type: expect.any(String),
    code: expect.stringMatching(/^[A-Z_]+$/),
    param: reply.json.error.param === null ? null : expect.any(String),
    object: "error",
  });
  expectTidy(reply.text);
}

/** Nothing of the inside leaves: no stack, no path of the machine, no raw control character. */
export function expectTidy(text: string): void {
  expect(text).not.toMatch(/node_modules|\.tsx?:\d|\.gguf|\bat [\w.]+ \(|\/(?:root|home|usr|var|tmp|work)\//);
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
}
