import { badRequest } from "../../lib/errors.ts";
import { GrammarBuilder } from "../../structured-output/grammar-compiler.ts";
import { type OutputConstraint, withErrorField } from "./response-format.ts";
import { callableTools, type ToolRequest } from "./tools/definitions.ts";
import { toolCallsPrefix } from "./tools/tool-call-format.ts";
import { toolCallGrammar } from "./tools/tool-call-grammar.ts";
import type { ToolCallSyntax } from "./tools/tool-call-syntax.ts";

/**
 * The grammar of a reply that must be calls, or, where the model may choose, of text that may end in calls. Unenforced pointers begin with the number of the tool.
 * @throws AppError BAD_REQUEST naming the tool whose parameters can't be compiled, or not be enforced though `strict`.
 */
export async function toolCallConstraint(
  request: ToolRequest,
  syntax: ToolCallSyntax,
): Promise<OutputConstraint> {
  const builder = new GrammarBuilder();
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
