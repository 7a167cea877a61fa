import { type TextRouteDeps, textRoute } from "../text/routes.ts";
import { planChat } from "./plan.ts";
import { chatPrefix, parseChatCompletionRequest } from "./protocol.ts";
import { chatResponseSerializer } from "./response-serializer.ts";

/** POST chat/completions. */
export function chatCompletionRoute(deps: TextRouteDeps) {
  return textRoute(
    ["/inference/v1/chat/completions", "/v1/chat/completions"],
    {
      name: "chat/completions",
      promptField: "messages",
      parse: parseChatCompletionRequest,
      prefix: chatPrefix,
      plan: planChat,
      format: chatResponseSerializer,
    },
    deps,
  );
}
