import { badRequest } from "../../lib/errors.ts";
import { plainTextPlan } from "../text/prompt-plan.ts";
import { compileOutputConstraint } from "../text/response-format.ts";
import { type TextRouteDeps, textRoute } from "../text/routes.ts";
import { schemaWarningHeaders } from "../text/schema-warnings.ts";
import { completionPromptPrefix, parseCompletionRequest, promptCount, toEngineInputs } from "./protocol.ts";
import { completionResponseSerializer } from "./response-serializer.ts";

/** POST completions. */
export function completionRoute(deps: TextRouteDeps) {
  return textRoute(
    ["/inference/v1/completions", "/v1/completions"],
    {
      name: "completions",
      promptField: "prompt",
      parse: parseCompletionRequest,
      countPrompts: promptCount,
      promptPrefix: completionPromptPrefix,
      async planPrompt(body) {
        // A bare prompt says nothing about thinking: whoever writes it opens and closes the block.
        if (body.reasoning_effort || body.thinking?.type === "enabled") {
          const field = body.thinking == null ? "reasoning_effort" : "thinking";
          throw badRequest(field, `${field} needs a chat template; use chat completions.`);
        }
        const constraint = await compileOutputConstraint(body);
        return plainTextPlan(
          toEngineInputs(body.prompt),
          constraint && { grammar: constraint.grammar, headers: schemaWarningHeaders(constraint.unenforced) },
        );
      },
      serializer: completionResponseSerializer,
    },
    deps,
  );
}
