import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { describe, expect, test } from "vitest";
import type { AppError } from "../../../lib/errors.ts";
import {
  callableTools,
  MAX_TOOLS,
  parseToolRequest,
  type ToolParameters,
  toolParameters,
} from "./definitions.ts";

const check = Compile(Type.Object(toolParameters, { additionalProperties: false }));

function tool(name: string, parameters?: unknown): NonNullable<ToolParameters["tools"]>[number] {
  return { type: "function", function: parameters === undefined ? { name } : { name, parameters } };
}

const two = [tool("a"), tool("b")];

/** The field that a request is refused for by `parseToolRequest`, after the schema accepted it. */
function refused(p: unknown): string | null {
  expect(check.Check(p)).toBe(true);
  try {
    parseToolRequest(p as ToolParameters);
  } catch (error) {
    expect((error as AppError).code).toBe("BAD_REQUEST");
    return (error as AppError).param;
  }
  return "nothing refused";
}

describe("tool_choice", () => {
  const choice = (tool_choice: NonNullable<ToolParameters["tool_choice"]> | null) => {
    expect(check.Check({ tools: two, tool_choice })).toBe(true);
    return parseToolRequest({ tools: two, tool_choice })?.choice;
  };

  test("means in every form what the reference says", () => {
    expect(choice(null)).toEqual({ kind: "auto" });
    expect(choice("auto")).toEqual({ kind: "auto" });
    expect(choice("none")).toBeUndefined();
    for (const any of [
      "any",
      "required",
      { type: "function" },
      { type: "function", function: null },
    ] as const) {
      expect(choice(any)).toEqual({ kind: "any" });
    }
    for (const named of [
      { function: { name: "b" } },
      { name: "b" },
      { function: { name: "b" }, name: "b" },
    ]) {
      expect(choice({ type: "function", ...named })).toEqual({ kind: "named", name: "b" });
    }
  });

  test("is refused by its field when it names a function that is not offered", () => {
    expect(refused({ tools: two, tool_choice: { type: "function", function: { name: "c" } } })).toBe(
      "tool_choice.function.name",
    );
    expect(refused({ tools: two, tool_choice: { type: "function", name: "c" } })).toBe("tool_choice.name");
    expect(
      refused({ tools: two, tool_choice: { type: "function", function: { name: "a" }, name: "b" } }),
    ).toBe("tool_choice.name");
    expect(refused({ functions: [{ name: "a" }], function_call: { name: "b" } })).toBe("function_call.name");
  });

  test("can't force a call without tools, and is ignored as auto or none", () => {
    for (const tool_choice of ["any", "required", { type: "function" }, { type: "function", name: "a" }]) {
      expect(refused({ tool_choice })).toBe("tool_choice");
      expect(refused({ tools: [], tool_choice })).toBe("tool_choice");
    }
    expect(refused({ function_call: { name: "a" } })).toBe("function_call");
    for (const tool_choice of ["auto", "none", null] as const) {
      expect(parseToolRequest({ tool_choice, parallel_tool_calls: false })).toBeNull();
    }
  });

  test("allows only the tool that it names", () => {
    const request = parseToolRequest({ tools: two, tool_choice: { type: "function", name: "b" } })!;
    expect(callableTools(request).map((t) => t.name)).toEqual(["b"]);
    expect(request.tools).toHaveLength(2);
    expect(callableTools(parseToolRequest({ tools: two })!)).toHaveLength(2);
  });
});

describe("a request's tools", () => {
  test("always have an object schema for their parameters", () => {
    const given = { properties: { x: { type: ["string", "null"] } }, required: ["x"] };
    const [a, b, c] = parseToolRequest({ tools: [tool("a"), tool("b", {}), tool("c", given)] })!.tools;
    expect(a?.parameters).toEqual({ type: "object", properties: {} });
    expect(b?.parameters).toEqual({ type: "object" });
    expect(c?.parameters).toEqual({ type: "object", ...given });
  });

  test("may be called in parallel unless switched off", () => {
    expect(parseToolRequest({ tools: two })?.parallel).toBe(true);
    expect(parseToolRequest({ tools: two, parallel_tool_calls: null })?.parallel).toBe(true);
    expect(parseToolRequest({ tools: two, parallel_tool_calls: false })?.parallel).toBe(false);
  });

  test("may be given as functions and function_call", () => {
    const functions = [{ name: "a", description: "d", parameters: { type: "object" } }, { name: "b" }];
    expect(parseToolRequest({ functions, function_call: { name: "b" } })).toEqual(
      parseToolRequest({
        tools: functions.map((f) => ({ type: "function", function: f })),
        tool_choice: { type: "function", function: { name: "b" } },
      }),
    );
    expect(parseToolRequest({ functions, function_call: "none" })).toBeNull();
    expect(parseToolRequest({ functions, function_call: "auto" })?.choice).toEqual({ kind: "auto" });
    expect(refused({ functions, tools: two })).toBe("functions");
    expect(refused({ functions, tool_choice: "auto", function_call: "auto" })).toBe("function_call");
  });

  test("are refused when two have one name", () => {
    expect(refused({ tools: [...two, tool("a")] })).toBe("tools[2].function.name");
    expect(refused({ functions: [{ name: "a" }, { name: "a" }] })).toBe("functions[1].name");
  });

  test("are refused for malformed parameters by the path of the defect", () => {
    const at = "tools[0].function.parameters";
    const cases: [unknown, string][] = [
      ["{}", at],
      [[], at],
      [7, at],
      [{ type: "string" }, `${at}.type`],
      [{ type: ["object", "null"] }, `${at}.type`],
      [{ properties: [] }, `${at}.properties`],
      [{ properties: { x: "string" } }, `${at}.properties.x`],
      [{ properties: { x: { type: "text" } } }, `${at}.properties.x.type`],
      [{ properties: { x: { type: [] } } }, `${at}.properties.x.type`],
      [{ properties: { x: { items: { type: 1 } } } }, `${at}.properties.x.items.type`],
      [{ properties: { x: { items: [{}, 1] } } }, `${at}.properties.x.items[1]`],
      [{ properties: { x: { required: true } } }, `${at}.properties.x.required`],
      [{ required: ["x", 1] }, `${at}.required`],
      [{ properties: { x: { enum: [] } } }, `${at}.properties.x.enum`],
      [{ anyOf: [] }, `${at}.anyOf`],
      [{ allOf: [{ $ref: 1 }] }, `${at}.allOf[0].$ref`],
      [{ $defs: { d: { additionalProperties: "no" } } }, `${at}.$defs.d.additionalProperties`],
      [{ properties: { "a\u0000b": 1 } }, `${at}.properties.a?b`],
    ];
    for (const [parameters, param] of cases) expect(refused({ tools: [tool("a", parameters)] })).toBe(param);
  });

  test("are limited in number, size and depth, however deep they are", () => {
    expect(check.Check({ tools: Array.from({ length: 10_000 }, (_, i) => tool(`t${i}`)) })).toBe(false);
    const many = Array.from({ length: MAX_TOOLS }, (_, i) => tool(`t${i}`));
    expect(parseToolRequest({ tools: many })?.tools).toHaveLength(MAX_TOOLS);
    const description = "x".repeat(300_000);
    expect(refused({ tools: two.map((t) => ({ ...t, function: { ...t.function, description } })) })).toBe(
      "tools",
    );
    let deep: unknown = {};
    for (let i = 0; i < 10_000; i++) deep = { properties: { x: deep } };
    expect(refused({ tools: [tool("a", deep)] })).toBe("tools[0].function.parameters");
    const wide = { enum: Array.from({ length: 60_000 }, (_, i) => i) };
    expect(refused({ tools: [tool("a", { properties: { x: wide } })] })).toBe("tools[0].function.parameters");
  });

  test("are refused by the schema for bad names, types and unknown fields", () => {
    for (const bad of ["", "a b", "a.b", "ä", "x".repeat(65), "a\n", 5, null]) {
      expect(check.Check({ tools: [{ type: "function", function: { name: bad } }] }), String(bad)).toBe(
        false,
      );
      expect(check.Check({ functions: [{ name: bad }] })).toBe(false);
    }
    for (const bad of [
      { type: "function" },
      { type: "web_search" },
      { function: { name: "a" } },
      null,
      "a",
    ]) {
      expect(check.Check({ tools: [bad] }), JSON.stringify(bad)).toBe(false);
    }
    for (const bad of [
      "all",
      "",
      1,
      [],
      { type: "tool", name: "a" },
      { type: "function", functions: {} },
      {},
    ]) {
      expect(check.Check({ tools: two, tool_choice: bad }), JSON.stringify(bad)).toBe(false);
    }
  });
});
