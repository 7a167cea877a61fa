import { type Static, Type } from "typebox";
import { badRequest } from "../../../lib/errors.ts";
import { optional } from "../optional.ts";
import type { JsonObject } from "./json-limits.ts";
import { parseParametersSchema } from "./parameters-schema.ts";

/** Most tools in one request. Models choose badly among far fewer. */
export const MAX_TOOLS = 128;
/** Most characters of all tools' descriptions and schemas together; they become part of the prompt. */
export const MAX_TOOLS_CHARS = 512 * 1024;

export const functionName = Type.String({ pattern: "^[a-zA-Z0-9_-]{1,64}$" });

const functionDefinition = Type.Object(
  {
    name: functionName,
    description: optional(Type.String()),
    // `parseParametersSchema` checks it, because the error of a schema for schemas would name no keyword.
    parameters: Type.Optional(Type.Unknown()),
    strict: optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

const namedFunction = Type.Object({ name: functionName }, { additionalProperties: false });

/** The request's fields about tools, for the endpoint's schema. */
export const toolParameters = {
  tools: optional(
    Type.Array(
      Type.Object(
        { type: Type.Literal("function"), function: functionDefinition },
        { additionalProperties: false },
      ),
      { maxItems: MAX_TOOLS },
    ),
  ),
  tool_choice: optional(
    Type.Union([
      Type.Literal("auto"),
      Type.Literal("none"),
      Type.Literal("any"),
      Type.Literal("required"),
      Type.Object(
        { type: Type.Literal("function"), function: optional(namedFunction), name: optional(functionName) },
        { additionalProperties: false },
      ),
    ]),
  ),
  parallel_tool_calls: optional(Type.Boolean()),
  functions: optional(Type.Array(functionDefinition, { maxItems: MAX_TOOLS })),
  function_call: optional(Type.Union([Type.Literal("auto"), Type.Literal("none"), namedFunction])),
};

const toolParametersSchema = Type.Object(toolParameters);
export type ToolParameters = Static<typeof toolParametersSchema>;

export interface Tool {
  name: string;
  description: string | null;
  /** A JSON schema whose type is object. */
  parameters: JsonObject;
  /** The arguments must follow the schema exactly; a schema that can't be enforced is refused. */
  strict: boolean;
}

export type ToolChoice = { kind: "auto" } | { kind: "any" } | { kind: "named"; name: string };

export interface ToolRequest {
  /** At least one, names unique. */
  tools: readonly Tool[];
  choice: ToolChoice;
  /** Whether one response may make several calls. */
  parallel: boolean;
}

/**
 * The tools that a request offers; null: it offers none, or its `tool_choice` is none. The older fields `functions` and
 * `function_call` mean the same as `tools` and `tool_choice`.
 * @throws AppError BAD_REQUEST naming the field.
 */
export function parseToolRequest(p: ToolParameters): ToolRequest | null {
  if (p.tools == null && p.functions == null && p.tool_choice == null && p.function_call == null) return null;
  if (p.tools != null && p.functions != null) {
    throw badRequest("functions", "Set tools or functions, not both.");
  }
  if (p.tool_choice != null && p.function_call != null) {
    throw badRequest("function_call", "Set tool_choice or function_call, not both.");
  }
  const field = p.functions == null ? "tools" : "functions";
  const tools = parseTools(p);
  checkToolsSize(tools, field);
  const choice = parseToolChoice(p);
  if (choice.kind === "none") return null;
  if (tools.length === 0) {
    if (choice.kind === "auto") return null;
    const param = p.tool_choice == null ? "function_call" : "tool_choice";
    throw badRequest(param, `${param} asks for a call, but the request has no tools.`);
  }
  if (choice.kind === "named" && !tools.some((tool) => tool.name === choice.name)) {
    throw badRequest(choice.param, `${choice.param} names a function that is not among the ${field}.`);
  }
  const parallel = p.parallel_tool_calls ?? true;
  return {
    tools,
    choice: choice.kind === "named" ? { kind: "named", name: choice.name } : choice,
    parallel,
  };
}

/** The tools that a response may call. */
export function callableTools(request: ToolRequest): readonly Tool[] {
  const { choice, tools } = request;
  return choice.kind === "named" ? tools.filter((tool) => tool.name === choice.name) : tools;
}

/** A tool in OpenAI's format, which chat templates expect. */
export function toolJson(tool: Tool): JsonObject {
  const { name, description, parameters } = tool;
  return {
    type: "function",
    function: description === null ? { name, parameters } : { name, description, parameters },
  };
}

function parseTools(p: ToolParameters): Tool[] {
  const definitions =
    p.functions == null
      ? (p.tools ?? []).map((tool, i) => ({ ...tool.function, path: `tools[${i}].function` }))
      : p.functions.map((definition, i) => ({ ...definition, path: `functions[${i}]` }));
  const names = new Set<string>();
  return definitions.map(({ name, description, parameters, strict, path }) => {
    if (names.has(name)) throw badRequest(`${path}.name`, `${path}.name: the name ${name} is used twice.`);
    names.add(name);
    return {
      name,
      description: description ?? null,
      parameters: parseParametersSchema(parameters, `${path}.parameters`),
      strict: strict ?? false,
    };
  });
}

function checkToolsSize(tools: readonly Tool[], field: string): void {
  const sizeChars = tools.reduce(
    (sum, { description, parameters }) =>
      sum + (description?.length ?? 0) + JSON.stringify(parameters).length,
    0,
  );
  if (sizeChars <= MAX_TOOLS_CHARS) return;
  throw badRequest(field, `${field} must not exceed ${MAX_TOOLS_CHARS} characters together.`);
}

type ParsedToolChoice =
  | { kind: "none" }
  | { kind: "auto" }
  | { kind: "any" }
  | { kind: "named"; name: string; param: string };

function parseToolChoice({ tool_choice, function_call }: ToolParameters): ParsedToolChoice {
  if (function_call != null) {
    if (typeof function_call === "string") return { kind: function_call };
    return { kind: "named", name: function_call.name, param: "function_call.name" };
  }
  if (tool_choice == null) return { kind: "auto" };
  if (tool_choice === "required") return { kind: "any" };
  if (typeof tool_choice === "string") return { kind: tool_choice };
  const nestedName = tool_choice.function?.name;
  const flatName = tool_choice.name ?? undefined;
  if (nestedName !== undefined && flatName !== undefined && nestedName !== flatName) {
    throw badRequest("tool_choice.name", "tool_choice names two different functions.");
  }
  if (nestedName !== undefined)
    return { kind: "named", name: nestedName, param: "tool_choice.function.name" };
  if (flatName !== undefined) return { kind: "named", name: flatName, param: "tool_choice.name" };
  return { kind: "any" };
}
