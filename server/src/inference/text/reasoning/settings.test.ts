import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { describe, expect, test } from "vitest";
import type { AppError } from "../../../lib/errors.ts";
import { parseReasoningSettings, type ReasoningParameters, reasoningParameters } from "./settings.ts";

const check = Compile(Type.Object(reasoningParameters, { additionalProperties: false }));
const reasoner = { reasons: true, maxTokens: 2000 };

function settings(p: ReasoningParameters, maxTokens = 2000) {
  expect(check.Check(p)).toBe(true);
  return parseReasoningSettings(p, { reasons: true, maxTokens });
}

function refusal(p: ReasoningParameters, reasons: boolean): string | null {
  expect(check.Check(p)).toBe(true);
  try {
    parseReasoningSettings(p, { reasons, maxTokens: 2000 });
  } catch (error) {
    expect((error as AppError).code).toBe("BAD_REQUEST");
    return (error as AppError).param;
  }
  return "nothing refused";
}

describe("a reasoning model", () => {
  test("follows its template when the request sets nothing", () => {
    const natural = { enabled: true, budgetTokens: null, templateVariables: {}, history: null };
    expect(settings({})).toEqual(natural);
    expect(settings({ reasoning_effort: null, thinking: null, reasoning_history: null })).toEqual(natural);
  });

  test("reasons 40 % of full length at low, 70 % at medium, and without a limit at high and max", () => {
    expect(settings({ reasoning_effort: "low" }).budgetTokens).toBe(800);
    expect(settings({ reasoning_effort: "medium" }).budgetTokens).toBe(1400);
    expect(settings({ reasoning_effort: "high" }).budgetTokens).toBeNull();
    expect(settings({ reasoning_effort: "max" }).budgetTokens).toBeNull();
    expect(settings({ reasoning_effort: "low" }, 100_000).budgetTokens).toBe(8000);
    expect(settings({ reasoning_effort: "low" }, 1).budgetTokens).toBe(1);
  });

  test("takes true for medium and false for none", () => {
    expect(settings({ reasoning_effort: true })).toEqual(settings({ reasoning_effort: "medium" }));
    expect(settings({ reasoning_effort: false })).toEqual(settings({ reasoning_effort: "none" }));
    expect(settings({ reasoning_effort: "none" })).toEqual(settings({ thinking: { type: "disabled" } }));
    expect(settings({ reasoning_effort: "none" })).toMatchObject({
      enabled: false,
      budgetTokens: null,
      templateVariables: { enable_thinking: false },
    });
  });

  test("takes a number as the budget in tokens, in either form", () => {
    expect(settings({ reasoning_effort: 5000 }, 100).budgetTokens).toBe(5000);
    expect(settings({ thinking: { type: "enabled", budget_tokens: 1024 } })).toMatchObject({
      enabled: true,
      budgetTokens: 1024,
      templateVariables: { enable_thinking: true, thinking_budget: 1024 },
    });
    expect(settings({ thinking: { type: "enabled" } }).budgetTokens).toBeNull();
  });

  test("passes the level to templates that have levels", () => {
    expect(settings({ reasoning_effort: "low" }).templateVariables).toMatchObject({
      reasoning_effort: "low",
    });
    expect(settings({ reasoning_effort: "max" }).templateVariables).toMatchObject({
      reasoning_effort: "high",
    });
  });

  test("refuses both forms at once", () => {
    expect(refusal({ reasoning_effort: "low", thinking: { type: "enabled" } }, true)).toBe("thinking");
    expect(refusal({ reasoning_effort: false, thinking: { type: "disabled" } }, true)).toBe("thinking");
    expect(refusal({ thinking: { type: "disabled", budget_tokens: 2000 } }, true)).toBe(
      "thinking.budget_tokens",
    );
  });

  test("passes reasoning_history on", () => {
    expect(settings({ reasoning_history: "preserved", reasoning_effort: "none" }).history).toBe("preserved");
  });
});

test("a model without reasoning accepts only parameters that ask for none", () => {
  const plain = { reasons: false, maxTokens: 100 };
  for (const p of [
    {},
    { reasoning_effort: "none" },
    { reasoning_effort: false },
    { thinking: { type: "disabled" } },
    { reasoning_history: "disabled" },
  ] as ReasoningParameters[]) {
    expect(parseReasoningSettings(p, plain)).toEqual({
      enabled: false,
      budgetTokens: null,
      templateVariables: {},
      history: null,
    });
  }
  for (const effort of ["low", "medium", "high", "max", 1, true] as const) {
    expect(refusal({ reasoning_effort: effort }, false)).toBe("reasoning_effort");
  }
  expect(refusal({ thinking: { type: "enabled" } }, false)).toBe("thinking");
  expect(refusal({ reasoning_history: "interleaved" }, false)).toBe("reasoning_history");
});

test("the schema refuses values out of range", () => {
  for (const effort of [0, -1, 20_000, 1.5, "", "medium ", "LOW", [], {}, Number.NaN]) {
    expect(check.Check({ reasoning_effort: effort }), String(effort)).toBe(false);
  }
  for (const thinking of [{}, { type: "on" }, { type: "enabled", budget_tokens: 1023 }, "enabled", true]) {
    expect(check.Check({ thinking }), JSON.stringify(thinking)).toBe(false);
  }
  expect(check.Check({ reasoning_effort: 19_999 })).toBe(true);
  expect(parseReasoningSettings({ reasoning_effort: 19_999 }, reasoner).budgetTokens).toBe(19_999);
});
