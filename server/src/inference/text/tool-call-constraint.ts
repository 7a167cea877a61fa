import { badRequest } from "../../lib/errors.ts";
import type { CompiledGrammar } from "../../structured-output/compiled-grammar.ts";
import { GrammarBuilder } from "../../structured-output/grammar-compiler.ts";
import { withErrorField } from "./response-format.ts";
import { callableTools, type ToolRequest } from "./tools/definitions.ts";
import { toolCallsPrefix } from "./tools/tool-call-format.ts";
import { toolCallGrammar } from "./tools/tool-call-grammar.ts";
import type { ToolCallSyntax } from "./tools/tool-call-syntax.ts";

/**
 * The grammar of an output that must be tool calls or, when the model may choose, of text that may end in tool calls. Each
 * JSON pointer in `unenforced` begins with the index of its tool.
 * @throws AppError BAD_REQUEST naming a tool whose parameters don't compile, or a strict one that can't be enforced.
 */
export async function toolCallConstraint(
  request: ToolRequest,
  syntax: ToolCallSyntax,
  accountId: string,
): Promise<CompiledGrammar> {
  const builder = new GrammarBuilder(accountId);
  const calls = toolCallGrammar(syntax, request, builder);
  const root =
    request.choice.kind === "auto" ? `${builder.textWithout(toolCallsPrefix(syntax))} (${calls})?` : calls;
  const constraint = await withErrorField("tools", () => builder.finish(root));
  const tools = callableTools(request);
  for (const pointer of constraint.unenforced) {
    const index = Number.parseInt(pointer.replace(/^\//, ""), 10);
    const tool = tools[index];
    if (tool?.strict !== true) continue;
    const field = `tools[${request.tools.indexOf(tool)}].function.parameters`;
    throw badRequest(field, `${field}: strict, but ${pointer} can't be enforced.`);
  }
  return constraint;
}
