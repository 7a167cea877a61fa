import { callableTools, type ToolRequest } from "./definitions.ts";
import { toolCallFrame, toolCallsPrefix } from "./tool-call-format.ts";
import type { ToolCallSyntax } from "./tool-call-syntax.ts";

/** Most calls that the grammar allows in one response. Without a limit a weak model makes calls until it is cut off. */
export const MAX_PARALLEL_CALLS = 16;

/** The part of a grammar compiler that is used here. Each method returns a GBNF expression that can be part of a sequence. */
export interface GrammarExpressionBuilder {
  /** A terminal that matches exactly this text. */
  literal(text: string): string;
  /** Matches the JSON texts that the schema allows. */
  schema(schema: unknown): string;
  /** Makes a rule of the expression, so that it is written once, and returns a reference to the rule. */
  rule(expression: string): string;
}

/**
 * The GBNF expression for calls in the family's syntax: exactly one when a function is named or `parallel` is off, else one
 * or more.
 * @param afterBegin the model has already generated the text up to and including `syntax.begin`.
 */
export function toolCallGrammar(
  syntax: ToolCallSyntax,
  request: ToolRequest,
  parts: GrammarExpressionBuilder,
  { afterBegin = false } = {},
): string {
  const literal = (text: string): string[] => (text === "" ? [] : [parts.literal(text)]);
  const { beforeName, beforeArguments, after } = toolCallFrame(syntax);
  const choices = callableTools(request).map(
    (tool) => `${parts.literal(tool.name + beforeArguments)} ${parts.schema(tool.parameters)}`,
  );
  const call = parts.rule([...literal(beforeName), `(${choices.join(" | ")})`, ...literal(after)].join(" "));
  const several = request.parallel && request.choice.kind !== "named";
  const begin = toolCallsPrefix(syntax);
  const next = literal(syntax.list ? syntax.separator : syntax.separator + begin);
  const furtherCalls = several ? [`(${[...next, call].join(" ")}){0,${MAX_PARALLEL_CALLS - 1}}`] : [];
  return [
    ...literal((afterBegin ? "" : begin) + (syntax.list ? "[" : "")),
    call,
    ...furtherCalls,
    ...literal(syntax.list ? "]" : ""),
  ].join(" ");
}
