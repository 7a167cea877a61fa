import fc from "fast-check";
import { Type } from "typebox";
import { describe, expect, test } from "vitest";
import { applyMask, mergePatch, parseMask, updatePaths } from "./field-mask.ts";

const Schema = Type.Object({
  name: Type.Optional(Type.String({ readOnly: true })),
  displayName: Type.Optional(Type.String()),
  policy: Type.Optional(
    Type.Object({
      window: Type.Optional(Type.String()),
      loadTargets: Type.Optional(Type.Record(Type.String(), Type.Number())),
      seen: Type.Optional(Type.String({ readOnly: true })),
    }),
  ),
  status: Type.Optional(Type.Object({ code: Type.Optional(Type.String()) }, { readOnly: true })),
  tags: Type.Optional(Type.Array(Type.Object({ id: Type.Optional(Type.String()) }))),
});

describe("the paths of a change", () => {
  test.each<[object, string[]]>([
    [{}, []],
    [{ displayName: "x", name: "y" }, ["displayName"]],
    [{ displayName: null }, ["displayName"]],
    [{ displayName: undefined }, []],
    [{ policy: { window: "1s", seen: "x" } }, ["policy.window"]],
    [{ policy: {} }, ["policy"]],
    [{ policy: { loadTargets: { default: 1 } } }, ["policy.loadTargets"]],
    [{ tags: [{ id: "a" }], status: { code: "OK" } }, ["tags"]],
  ])("without a mask are those of the body: %j", (body, expected) => {
    expect(updatePaths(undefined, body, Schema)).toEqual(expected);
    expect(updatePaths("", body, Schema)).toEqual(expected);
  });

  test.each<[string, string[]]>([
    ["displayName", ["displayName"]],
    ["display_name, policy.load_targets", ["displayName", "policy.loadTargets"]],
    ["policy.loadTargets.my_key", ["policy.loadTargets.my_key"]],
    ["name,displayName,policy.seen,status.code", ["displayName"]],
    ["*", ["displayName", "policy", "tags"]],
  ])("with the mask %s are its own, without output-only fields", (mask, expected) => {
    expect(updatePaths(mask, {}, Schema)).toEqual(expected);
  });

  test.each([
    "nope",
    "policy.nope",
    "displayName.x",
    "tags.id",
    "a,",
    ",",
    "policy..window",
    "__proto__",
    "x".repeat(5_000),
    "policy.loadTargets.a.b",
    "policy.loadTargets.__proto__",
  ])("are refused for the mask %s", (mask) => {
    expect(() => updatePaths(mask, {}, Schema)).toThrow(expect.objectContaining({ param: "updateMask" }));
  });

  test("are refused for a mask of ten thousand paths", () => {
    const mask = Array.from({ length: 1_000 }, () => "a").join(",");
    expect(() => updatePaths(mask, {}, Schema)).toThrow(/more than 100/);
  });
});

describe("a patch", () => {
  const current = {
    displayName: "old",
    policy: { window: "1s", loadTargets: { default: 1 } },
    labels: { a: "1" },
  };

  test.each<[object, string[], object]>([
    [{ displayName: "new" }, ["displayName"], { ...current, displayName: "new" }],
    [{ displayName: "new" }, [], current],
    [{}, ["displayName"], { policy: current.policy, labels: current.labels }],
    [{ displayName: null }, ["displayName"], { policy: current.policy, labels: current.labels }],
    [
      { policy: { window: "2s" } },
      ["policy.window"],
      { ...current, policy: { ...current.policy, window: "2s" } },
    ],
    [{ policy: { window: "2s" } }, ["policy"], { ...current, policy: { window: "2s" } }],
    [{}, ["labels.a"], { ...current, labels: {} }],
    [{ labels: { b: "2" } }, ["labels.b"], { ...current, labels: { a: "1", b: "2" } }],
    [{ fresh: { deep: { x: 1 } } }, ["fresh.deep.x"], { ...current, fresh: { deep: { x: 1 } } }],
    [{}, ["fresh.deep.x"], current],
    [{ displayName: "" }, ["displayName"], { ...current, displayName: "" }],
  ])("with the body %j sets the paths %j", (body, paths, expected) => {
    const before = structuredClone(current);
    expect(mergePatch(current, body, paths)).toEqual(expected);
    expect(current).toEqual(before);
  });

  test("with its own paths sets every field of the body and changes no other", () => {
    const resource = fc.record(
      {
        displayName: fc.string(),
        policy: fc.record(
          {
            window: fc.string(),
            loadTargets: fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.integer(), {
              noNullPrototype: true,
            }),
          },
          { requiredKeys: [] },
        ),
        tags: fc.array(fc.record({ id: fc.string() })),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(resource, resource, (now, body) => {
        const merged = mergePatch(now, body, updatePaths(undefined, body, Schema));
        const emptied = body.policy !== undefined && Object.keys(body.policy).length === 0;
        const policy = emptied ? {} : { ...now.policy, ...body.policy };
        const expected = { ...now, ...body, ...((now.policy ?? body.policy) ? { policy } : {}) };
        expect(merged).toEqual(expected);
      }),
    );
  });
});

describe("a read mask", () => {
  const value = { name: "n", policy: { window: "1s", loadTargets: { a: 1, b: 2 } }, tags: [{ id: "x" }] };

  test.each<[string, object]>([
    ["name", { name: "n" }],
    ["policy.loadTargets.b, name", { name: "n", policy: { loadTargets: { b: 2 } } }],
    ["tags", { tags: [{ id: "x" }] }],
    ["displayName", {}],
    ["policy,policy.window", { policy: value.policy }],
  ])("selects the fields of %s", (mask, expected) => {
    expect(applyMask(parseMask("readMask", mask, Schema)!, value)).toEqual(expected);
  });

  test.each(["", " ", "*", "name,*"])("selects all fields for %j", (mask) => {
    expect(parseMask("readMask", mask, Schema)).toBe(null);
  });

  test("returns a copy, so that changes of it don't reach the original", () => {
    const picked = applyMask(
      [
        ["policy", "window"],
        ["policy", "loadTargets", "a"],
      ],
      value,
    );
    expect(picked).toEqual({ policy: { window: "1s", loadTargets: { a: 1 } } });
    expect(value.policy.loadTargets).toEqual({ a: 1, b: 2 });
    applyMask([["policy"], ["policy", "window"]], value);
    expect(value.policy).toEqual({ window: "1s", loadTargets: { a: 1, b: 2 } });
  });
});
