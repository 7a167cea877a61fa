import { endpointRoute, type InferenceDeps } from "../pipeline/pipeline.ts";
import { dropMedia } from "../text/drop-media.ts";
import { textEndpoint } from "../text/endpoint.ts";
import { planCompletionPrompt } from "./plan-prompt.ts";
import {
  completionPromptPrefix,
  completionRequest,
  parseCompletionRequest,
  promptCount,
} from "./protocol.ts";
import { completionResponseSerializer } from "./response-serializer.ts";

const completions = textEndpoint({
  paths: ["/inference/v1/completions", "/v1/completions"],
  operationId: "createCompletion",
  summary: "Text completion",
  requestSchema: completionRequest,
  name: "completions",
  promptField: "prompt",
  parse: parseCompletionRequest,
  countPrompts: promptCount,
  dropUnsupported: dropMedia,
  promptPrefix: completionPromptPrefix,
  planPrompt: planCompletionPrompt,
  serializer: completionResponseSerializer,
});

/** POST completions. */
export function completionRoute(deps: InferenceDeps) {
  return endpointRoute(completions, deps);
}
