import type { ToolCallSyntax } from "./tool-call-syntax.ts";

/** What stands around the arguments of one call, `begin` and a list's brackets left out. */
export interface ToolCallFrame {
  /** Up to the name; the same for every function. */
  beforeName: string;
  /** From the name to the arguments. */
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

/** What stands before a single call, or before all of a list. */
export function toolCallsPrefix(syntax: ToolCallSyntax): string {
  return syntax.bare ? "" : syntax.begin;
}

/** Calls as the family writes them. `arguments` are JSON texts. */
export function formatToolCalls(
  syntax: ToolCallSyntax,
  calls: readonly { name: string; arguments: string }[],
): string {
  const { beforeName, beforeArguments, after } = toolCallFrame(syntax);
  const begin = toolCallsPrefix(syntax);
  const each = syntax.list ? "" : begin;
  const texts = calls.map((call) => each + beforeName + call.name + beforeArguments + call.arguments + after);
  const joined = texts.join(syntax.separator);
  return syntax.list ? `${begin}[${joined}]` : joined;
}
