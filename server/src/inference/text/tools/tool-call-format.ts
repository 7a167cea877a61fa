import type { ToolCallSyntax } from "./tool-call-syntax.ts";

/** The text around the name and the arguments of one call, without `begin` and a list's brackets. */
export interface ToolCallFrame {
  /** The same for every function. */
  beforeName: string;
  beforeArguments: string;
  after: string;
}

export function toolCallFrame(syntax: ToolCallSyntax): ToolCallFrame {
  const { head, padding, end } = syntax;
  if (head.kind === "tag") {
    return { beforeName: "", beforeArguments: head.nameEnd + padding, after: padding + end };
  }
  return {
    beforeName: `${padding}{"name": "`,
    beforeArguments: `", "${head.argumentsKey}": `,
    after: `}${padding}${end}`,
  };
}

/** The text before a single call, or before a list of calls. */
export function toolCallsPrefix(syntax: ToolCallSyntax): string {
  return syntax.bare ? "" : syntax.begin;
}

/** Writes calls in a family's syntax. `arguments` are JSON texts. */
export function formatToolCalls(
  syntax: ToolCallSyntax,
  calls: readonly { name: string; arguments: string }[],
): string {
  const { beforeName, beforeArguments, after } = toolCallFrame(syntax);
  const begin = toolCallsPrefix(syntax);
  const beforeCall = syntax.list ? "" : begin;
  const texts = calls.map(
    (call) => beforeCall + beforeName + call.name + beforeArguments + call.arguments + after,
  );
  const joined = texts.join(syntax.separator);
  return syntax.list ? `${begin}[${joined}]` : joined;
}
