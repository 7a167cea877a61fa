import { type Static, Type } from "typebox";
import { AppError, badRequest } from "../../lib/errors.ts";
import type { CompiledGrammar } from "../../structured-output/compiled-grammar.ts";
import { GrammarError } from "../../structured-output/gbnf/parser.ts";
import {
  ANY_JSON_OBJECT,
  GrammarBuilder,
  grammarForSchema,
  grammarFromGbnf,
} from "../../structured-output/grammar-compiler.ts";
import { SchemaError } from "../../structured-output/json-schema/schema-error.ts";
import { parseSchema } from "../../structured-output/schema-text.ts";
import { optional } from "./optional.ts";

const jsonSchema = Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.String()]);

/** `response_format`, for the schemas of chat and text completion. */
export const responseFormat = Type.Object(
  {
    type: Type.Union([
      Type.Literal("text"),
      Type.Literal("json_object"),
      Type.Literal("json_schema"),
      Type.Literal("grammar"),
    ]),
    schema: optional(jsonSchema),
    json_schema: optional(jsonSchema),
    grammar: optional(Type.String()),
  },
  { additionalProperties: false },
);
export type ResponseFormat = Static<typeof responseFormat>;

/** The request's parameters that constrain the output. */
export interface OutputConstraintParameters {
  response_format?: ResponseFormat | null;
  forced_generation?: string | null;
}

/**
 * Compiles the request's constraint of the output; null: the output is unconstrained.
 * @param accountId the account whose request it is: accounts take turns at the compiler.
 * @throws AppError BAD_REQUEST naming the field. For an invalid schema or grammar the message says where and why.
 */
export async function compileOutputConstraint(
  p: OutputConstraintParameters,
  accountId: string,
): Promise<CompiledGrammar | null> {
  const format = p.response_format ?? null;
  if (p.forced_generation != null) {
    if (format !== null)
      throw badRequest("forced_generation", "Set forced_generation or response_format, not both.");
    const builder = new GrammarBuilder(accountId);
    return withErrorField("forced_generation", () =>
      builder.finish(builder.literal(p.forced_generation as string)),
    );
  }
  if (format === null || format.type === "text") return null;
  if (format.type === "grammar") {
    const path = "response_format.grammar";
    if (format.grammar == null) throw badRequest(path, `${path} is required.`);
    const source = format.grammar;
    return withErrorField(path, async () => ({
      grammar: await grammarFromGbnf(source, accountId),
      unenforced: [],
      impliedTypes: [],
    }));
  }
  if (format.type === "json_object") {
    if (format.schema == null) return { grammar: ANY_JSON_OBJECT, unenforced: [], impliedTypes: [] };
    const path = "response_format.schema";
    return withErrorField(path, () => grammarForSchema(parseSchemaText(format.schema, path), accountId));
  }
  const { schema, strict, path } = unwrapJsonSchema(format);
  const constraint = await withErrorField(path, () => grammarForSchema(schema, accountId));
  if (strict && constraint.unenforced.length > 0) {
    throw badRequest(path, `strict: these keywords can't be enforced: ${constraint.unenforced.join(", ")}.`);
  }
  return constraint;
}

/** The requested JSON schema, or `schema: null` for any JSON object; null: the request asks for no JSON. */
export function requestedJson({
  response_format: format,
}: OutputConstraintParameters): { schema: object | null } | null {
  if (format?.type === "json_object") {
    return {
      schema:
        format.schema == null ? null : schemaObject(parseSchemaText(format.schema, "response_format.schema")),
    };
  }
  return format?.type === "json_schema" ? { schema: schemaObject(unwrapJsonSchema(format).schema) } : null;
}

/** Converts a boolean schema to an object, because most servers accept only objects. */
function schemaObject(schema: unknown): object {
  return typeof schema === "object" && schema !== null ? schema : {};
}

/** Accepts OpenAI's wrapper `{name, schema, strict}` and the bare schema. */
function unwrapJsonSchema(format: ResponseFormat): { schema: unknown; strict: boolean; path: string } {
  const path = "response_format.json_schema";
  const source = format.json_schema ?? format.schema;
  if (source == null) throw badRequest(path, `${path} is required.`);
  const value = parseSchemaText(source, path);
  const isWrapper = typeof value === "object" && value !== null && "schema" in value && !("type" in value);
  if (!isWrapper) return { schema: value, strict: false, path };
  const { schema, strict } = value as { schema: unknown; strict?: unknown };
  if (strict != null && typeof strict !== "boolean") {
    throw badRequest(`${path}.strict`, `${path}.strict must be boolean.`);
  }
  return { schema, strict: strict === true, path: `${path}.schema` };
}

function parseSchemaText(schema: unknown, path: string): unknown {
  if (typeof schema !== "string") return schema;
  try {
    return parseSchema(schema);
  } catch (cause) {
    throw new AppError("BAD_REQUEST", `${path} is not valid JSON.`, { param: path, cause });
  }
}

/** Runs a compiler and converts its errors to an AppError BAD_REQUEST that names the field. */
export async function withErrorField<T>(path: string, compile: () => Promise<T>): Promise<T> {
  try {
    return await compile();
  } catch (error) {
    if (error instanceof SchemaError || error instanceof GrammarError) {
      throw new AppError("BAD_REQUEST", `${path}: ${error.message}`, { param: path, cause: error });
    }
    throw error;
  }
}
