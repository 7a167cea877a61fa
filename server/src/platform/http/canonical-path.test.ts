import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalPath } from "./canonical-path.ts";

describe("a path", () => {
  test.each([
    ["/v1/models/", "/v1/models"],
    ["//v1//models", "/v1/models"],
    ["/v1/v1/models", "/v1/models"],
    ["/v1/v1/v1/models", "/v1/models"],
    ["/inference/v1/v1/chat/completions", "/inference/v1/chat/completions"],
    ["/inference/v1//v1/chat/completions/", "/inference/v1/chat/completions"],
    ["/inference/v1/inference/v1/completions", "/inference/v1/completions"],
    ["/v1/inference/v1/completions", "/inference/v1/completions"],
    ["/inference/v1/v1/accounts/a/models", "/v1/accounts/a/models"],
    ["/inference/v1/v1/accounts", "/v1/accounts"],
    ["/inference/v1/v1/validateModelConfig", "/v1/validateModelConfig"],
    ["/inference/v1/v1/accountsx", "/inference/v1/accountsx"],
    ["/v1/accounts/a/models/m:prepare/", "/v1/accounts/a/models/m:prepare"],
    ["/direct/a/d//v1/models", "/direct/a/d/v1/models"],
    ["/", "/"],
    ["//", "/"],
  ])("%s is read as %s", (path, canonical) => {
    expect(canonicalPath(path)).toBe(canonical);
  });

  test.each([
    "/v1/models/accounts/a/models/v1",
    "/v1/v10/models",
    "/v1x/v1/models",
    "/inference/v1/models/v1/v1",
    "/blobs/a//b/",
  ])("%s is read as it is", (path) => {
    expect(canonicalPath(path)).toBe(path);
  });

  const segment = fc.constantFrom("", "v1", "inference", "accounts", "blobs", "a", "m:verb", "%2f");

  test("is canonical after one step, and begins with one slash", () => {
    fc.assert(
      fc.property(fc.array(segment), (segments) => {
        const once = canonicalPath(`/${segments.join("/")}`);
        expect(canonicalPath(once)).toBe(once);
        expect(once).toMatch(/^\/(?!\/)/);
      }),
    );
  });
});
