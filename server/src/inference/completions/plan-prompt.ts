import type { ReplicaLease } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import { plainTextParser } from "../text/output-parser.ts";
import type { PromptPlan } from "../text/prompt-plan.ts";
import { reasoningMarkers, selectReasoningFormat } from "../text/reasoning/formats.ts";
import { compileOutputConstraint } from "../text/response-format.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import { type CompletionRequest, toEngineInputs } from "./protocol.ts";

/** @throws AppError BAD_REQUEST naming the field. */
export async function planCompletionPrompt(
  body: CompletionRequest,
  replica: ReplicaLease,
  templateOverride: string | null,
): Promise<PromptPlan> {
  // Without a chat template the platform can't know where a think block opens or closes in the prompt.
  if (body.reasoning_effort || body.thinking?.type === "enabled") {
    const field = body.thinking == null ? "reasoning_effort" : "thinking";
    throw badRequest(field, `${field} needs a chat template; use chat completions.`);
  }
  const reasoning = selectReasoningFormat(undefined, templateOverride ?? replica.model.chatTemplate);
  const constraint = await compileOutputConstraint(body);
  return {
    inputs: toEngineInputs(body.prompt),
    promptFragments: [],
    ...(constraint === null ? {} : { grammar: constraint.grammar }),
    ...(reasoning === null ? {} : { markers: reasoningMarkers(reasoning) }),
    responseHeaders: constraint === null ? [] : schemaWarningHeaders(constraint.unenforced),
    createParser: () => plainTextParser,
  };
}
