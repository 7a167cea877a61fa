import { type TextRouteDeps, textRoute } from "../text/routes.ts";
import { planChatPrompt } from "./plan-prompt.ts";
import { chatPromptPrefix, parseChatCompletionRequest } from "./protocol.ts";
import { chatResponseSerializer } from "./response-serializer.ts";

/** POST chat/completions. */
export function chatCompletionRoute(deps: TextRouteDeps) {
  return textRoute(
    ["/inference/v1/chat/completions", "/v1/chat/completions"],
    {
      name: "chat/completions",
      promptField: "messages",
      parse: parseChatCompletionRequest,
      promptPrefix: chatPromptPrefix,
      planPrompt: planChatPrompt,
      serializer: chatResponseSerializer,
    },
    deps,
  );
}
