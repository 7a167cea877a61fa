import { badRequest } from "../../lib/errors.ts";
import type { PromptPlanRequest } from "../text/operation.ts";
import { plainTextParser } from "../text/output-parser.ts";
import { stopsOf } from "../text/parameters.ts";
import type { PromptPlan } from "../text/prompt-plan.ts";
import { reasoningMarkers, selectReasoningFormat } from "../text/reasoning/formats.ts";
import { compileOutputConstraint } from "../text/response-format.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import { refuseStopInConstraint } from "../text/stop-in-constraint.ts";
import { type CompletionRequest, toEngineInputs } from "./protocol.ts";

/** @throws AppError BAD_REQUEST naming the field. */
export async function planCompletionPrompt({
  body,
  accountId,
  replica,
  chatTemplate,
}: PromptPlanRequest<CompletionRequest>): Promise<PromptPlan> {
  // Without a chat template the platform can't know where a think block opens or closes in the prompt.
  if (body.reasoning_effort || body.thinking?.type === "enabled") {
    const field = body.thinking == null ? "reasoning_effort" : "thinking";
    throw badRequest(field, `${field} needs a chat template; use chat completions.`);
  }
  const reasoning = selectReasoningFormat(undefined, chatTemplate ?? replica.model.chatTemplate);
  const constraint = await compileOutputConstraint(body, accountId);
  await refuseStopInConstraint({ constraint, stops: stopsOf(body), accountId });
  return {
    inputs: toEngineInputs(body.prompt),
    promptFragments: [],
    ...(constraint === null ? {} : { grammar: constraint.grammar }),
    ...(reasoning === null ? {} : { markers: reasoningMarkers(reasoning) }),
    responseHeaders: schemaWarningHeaders(constraint),
    createParser: () => plainTextParser,
  };
}
