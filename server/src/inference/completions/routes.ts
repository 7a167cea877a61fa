import { type TextRouteDeps, textRoute } from "../text/routes.ts";
import { parseCompletionRequest, toEngineInput } from "./protocol.ts";
import { completionReply } from "./reply.ts";

/** POST completions. */
export function completionRoute(deps: TextRouteDeps) {
  return textRoute(
    ["/inference/v1/completions", "/v1/completions"],
    {
      name: "completions",
      promptField: "prompt",
      parse: parseCompletionRequest,
      input: (body) => toEngineInput(body.prompt),
      format: completionReply,
    },
    deps,
  );
}
