import { callableTools, type ToolRequest } from "./definitions.ts";
import { toolCallFrame, toolCallsPrefix } from "./tool-call-format.ts";
import type { ToolCallSyntax } from "./tool-call-syntax.ts";

/** Most calls a grammar lets one reply make; without an end a weak model would never find one. */
export const MAX_PARALLEL_CALLS = 16;

/** What is needed of a grammar compiler. Each returns a GBNF expression that can stand in a sequence. */
export interface GrammarExpressionBuilder {
  /** A terminal that matches exactly this text. */
  literal(text: string): string;
  /** Matches the JSON texts that the schema allows. */
  schema(schema: unknown): string;
  /** Names an expression, so that it is written once; returns the reference. */
  rule(expression: string): string;
}

/**
 * The GBNF expression for one or more calls (exactly one when a function is named or `parallel` is off) in the
 * family's form, and nothing else.
 * @param afterBegin the text up to and including `syntax.begin` has been generated already: where a model that may
 *   choose has begun a call.
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
  const more = several ? [`(${[...next, call].join(" ")}){0,${MAX_PARALLEL_CALLS - 1}}`] : [];
  return [
    ...literal((afterBegin ? "" : begin) + (syntax.list ? "[" : "")),
    call,
    ...more,
    ...literal(syntax.list ? "]" : ""),
  ].join(" ");
}
