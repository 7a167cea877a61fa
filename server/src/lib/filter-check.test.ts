import { describe, expect, test } from "vitest";
import type { AppError } from "./errors.ts";
import { checkFilter, type FilterField } from "./filter-check.ts";

const FIELDS: Record<string, FilterField> = {
  displayName: { type: "string" },
  "details.parameterCount": { type: "int" },
  score: { type: "number" },
  public: { type: "boolean" },
  createTime: { type: "timestamp" },
  window: { type: "duration" },
  state: { type: "enum", values: ["READY", "FAILED"] },
  tags: { type: "strings" },
  labels: { type: "map" },
};

const refusalOf = (text: string): AppError => {
  try {
    checkFilter(text, FIELDS);
  } catch (error) {
    return error as AppError;
  }
  throw new Error("was accepted");
};

describe("a filter is checked against the fields", () => {
  const value = (comparator: string, operand: unknown) => ({ kind: "value", comparator, value: operand });
  test.each<[string, string, unknown]>([
    ["display_name = x", "displayName", { kind: "text", pieces: ["x"], contains: false }],
    ["displayName = x*", "displayName", { kind: "text", pieces: ["x", ""], contains: false }],
    ["displayName:x", "displayName", { kind: "text", pieces: ["x"], contains: true }],
    ["displayName < b", "displayName", value("<", "b")],
    ["displayName:*", "displayName", { kind: "present" }],
    ['displayName:"*"', "displayName", { kind: "text", pieces: ["", ""], contains: true }],
    ["details.parameter_count >= 7000000000", "details.parameterCount", value(">=", "7000000000")],
    ["details.parameterCount:7", "details.parameterCount", value("=", "7")],
    ["score > -1.5e3", "score", value(">", -1500)],
    ["score = .5", "score", value("=", 0.5)],
    ["public = true", "public", value("=", true)],
    ['public:"false"', "public", value("=", false)],
    ["createTime < 2025-01-31T12:00:00+02:00", "createTime", value("<", "2025-01-31T10:00:00.000000Z")],
    ["window <= 0.5s", "window", value("<=", 500)],
    ["state = READY", "state", value("=", "READY")],
    ["tags:x", "tags", { kind: "member", text: "x" }],
    ["tags:*", "tags", { kind: "present" }],
    ["labels:*", "labels", { kind: "present" }],
  ])("and %s is accepted", (text, field, expected) => {
    expect(checkFilter(text, FIELDS)).toEqual({ op: "test", field, key: null, test: expected });
  });

  test("and keys of a map keep their spelling, also with dots and capitals", () => {
    const text = (pieces: string[]) => ({ kind: "text", pieces, contains: false });
    expect(checkFilter("labels.my_Key = x", FIELDS)).toMatchObject({ key: "my_Key", test: text(["x"]) });
    expect(checkFilter('labels."a.b" = x', FIELDS)).toMatchObject({ key: "a.b", test: text(["x"]) });
    expect(checkFilter("labels:team", FIELDS)).toMatchObject({ key: "team", test: { kind: "present" } });
    expect(checkFilter("labels.team:*", FIELDS)).toMatchObject({ key: "team", test: { kind: "present" } });
  });

  test("and != is the negation of =", () => {
    expect(checkFilter("state != READY", FIELDS)).toEqual({
      op: "not",
      term: checkFilter("state = READY", FIELDS),
    });
  });
});

describe("a comparison that doesn't fit its field is refused with its position", () => {
  test.each<[string, number, RegExp]>([
    ["nope = 1", 1, /nope is not a field/],
    ["displayName = a AND details = 1", 21, /details is not a field/],
    ["displayName.x = 1", 1, /not a field/],
    ["labels.a.b = 1", 1, /not a field/],
    ['"details.parameterCount" = 1', 1, /expected a field/],
    ["__proto__ = 1", 1, /not a field/],
    ["constructor = 1", 1, /not a field/],
    ["details.parameterCount = x", 26, /whole number/],
    ["details.parameterCount = 1.5", 26, /whole number/],
    ["details.parameterCount = 9223372036854775808", 26, /64 bits/],
    ["score = x", 9, /number/],
    ["score = 1e999", 9, /number/],
    ["public = yes", 10, /true or false/],
    ["public < true", 1, /expected =, != or :/],
    ["state >= READY", 1, /expected =, != or :/],
    ["state = ready", 9, /one of READY, FAILED/],
    ["state = READ*", 9, /wildcard/],
    ["displayName < a*", 15, /wildcard/],
    ["createTime > yesterday", 14, /time such as/],
    ["createTime > 2025-02-30T00:00:00Z", 14, /time such as/],
    ["window = 5m", 10, /duration/],
    ["tags = x", 1, /expected : after a list/],
    ["tags:x*", 6, /wildcard/],
    ["labels = x", 1, /expected : after a map/],
  ])("in %s", (text, position, expected) => {
    const error = refusalOf(text);
    expect(error).toMatchObject({ code: "BAD_REQUEST", param: "filter" });
    expect(error.message).toMatch(expected);
    expect(error.message).toContain(`position ${position}:`);
  });

  test("and a long name is not repeated in full", () => {
    expect(refusalOf(`${"x".repeat(1_000)} = 1`).message.length).toBeLessThan(200);
  });
});
