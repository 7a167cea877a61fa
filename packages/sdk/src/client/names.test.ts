import fc from "fast-check";
import { expect, test } from "vitest";
import { InputError } from "./errors.ts";
import { checkNewId, greedyPath, idOf, resourcePath } from "./names.ts";

const account = async (): Promise<string> => "team";
const MODEL = "/v1/accounts/{account_id}/models/{model_id}:prepare";
const VERSION = "/v1/accounts/{account_id}/deploymentShapes/{deployment_shape_id}/versions/{version_id}";
const ENVIRONMENT = "/v1/accounts/{account_id}/environments/{environment_id}";

test("a full name and an id give the same path", async () => {
  expect(await resourcePath(MODEL, "mine", account)).toBe("/v1/accounts/team/models/mine:prepare");
  expect(await resourcePath(MODEL, "accounts/team/models/mine", account)).toBe(
    "/v1/accounts/team/models/mine:prepare",
  );
  expect(await resourcePath(MODEL, "accounts/fireworks/models/m", account)).toBe(
    "/v1/accounts/fireworks/models/m:prepare",
  );
});

test("nested names work with and without the account", async () => {
  const path = "/v1/accounts/team/deploymentShapes/s/versions/2";
  expect(await resourcePath(VERSION, "s/versions/2", account)).toBe(path);
  expect(await resourcePath(VERSION, path.slice(4), account)).toBe(path);
});

test("the cluster of a name is left out of the path", async () => {
  expect(await resourcePath(ENVIRONMENT, "accounts/a/clusters/c/environments/e", account)).toBe(
    "/v1/accounts/a/environments/e",
  );
});

test("an account's path takes its id and its full name", async () => {
  const path = "/v1/accounts/{account_id}";
  expect(await resourcePath(path, "acme", account)).toBe("/v1/accounts/acme");
  expect(await resourcePath(path, "accounts/acme", account)).toBe("/v1/accounts/acme");
});

test("a path without a name uses the client's account", async () => {
  expect(await resourcePath("/v1/accounts/{account_id}/models", undefined, account)).toBe(
    "/v1/accounts/team/models",
  );
  expect(await resourcePath("/v1/accounts", undefined, account)).toBe("/v1/accounts");
});

test.each([
  "",
  ".",
  "..",
  "accounts/team",
  "accounts/team/models",
  "accounts/team/datasets/d",
  "accounts/team/models/m/versions/1",
  "a/b",
  "a//b",
  "a b",
  "a?b",
  "a#b",
  "a%2fb",
  "a\nb",
  "../../users/u",
])("%j is refused as a model name before any request", async (name) => {
  await expect(resourcePath(MODEL, name, account)).rejects.toThrow(InputError);
});

test("no name can change the structure of the path", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), async (name) => {
      const path = await resourcePath(MODEL, name, account).catch((error: unknown) => error);
      if (path instanceof InputError) return;
      expect(new URL(String(path), "http://h").pathname).toBe(path);
      expect(String(path).split("/")).toHaveLength(6);
    }),
    { numRuns: 300 },
  );
});

test("a model name of the data plane keeps its slashes", () => {
  expect(greedyPath("/inference/v1/models/{model}", "accounts/f/models/m")).toBe(
    "/inference/v1/models/accounts/f/models/m",
  );
  expect(() => greedyPath("/inference/v1/models/{model}", "../x")).toThrow(InputError);
});

test("ids of new resources are checked before any request", () => {
  for (const id of ["a", "my-model-2", "a".repeat(63)]) checkNewId("modelId", id);
  for (const id of ["", "A", "1a", "-a", "a-", "a_b", "a".repeat(64), "ä"])
    expect(() => checkNewId("modelId", id)).toThrow(/modelId must have 1 to 63/);
});

test("idOf returns the last segment of a name", () => {
  expect(idOf("accounts/a/models/m")).toBe("m");
  expect(idOf("m")).toBe("m");
});
