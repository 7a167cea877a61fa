import { describe, expect, test } from "vitest";
import { expectAllExercised, expectAnswer, expectShape, operations } from "./control-plane-contract.ts";

describe("the checks of the control plane's contract", () => {
  const page = { models: [{ name: "accounts/a/models/m", state: "READY" }], nextPageToken: "", totalSize: 1 };

  test("accept what the contract allows", () => {
    expectAnswer("listModels", page);
    expectAnswer("deleteModel", {});
    expectShape("Model", {
      createTime: "2026-01-31T00:00:00.123456Z",
      baseModelDetails: { parameterCount: "7" },
    });
  });

  test.each<[string, object]>([
    ["a field that it doesn't name", { ...page, surprise: 1 }],
    ["one in an item", { ...page, models: [{ surprise: 1 }] }],
    ["a wrong type", { ...page, totalSize: "1" }],
    ["an unknown name of an enum", { ...page, models: [{ state: "DONE" }] }],
    ["a time that is not in UTC", { ...page, models: [{ createTime: "2026-01-31T00:00:00+01:00" }] }],
    ["a 64-bit integer that is a number", { ...page, models: [{ baseModelDetails: { parameterCount: 7 } }] }],
  ])("find %s", (_, answer) => {
    expect(() => expectAnswer("listModels", answer)).toThrow(/listModels/);
  });

  test("compile every operation", () => {
    for (const { operationId } of operations.values()) {
      expect(() => expectAnswer(operationId, "no object")).toThrow(/must be object/);
    }
  });

  test("find operations that were forgotten", () => {
    expect(() => expectAllExercised("users")).toThrow(/createUser/);
    expect(() => expectAllExercised("nothing")).toThrow();
  });
});
