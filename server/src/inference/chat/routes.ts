import { endpointRoute, type InferenceDeps } from "../pipeline/pipeline.ts";
import { dropMedia } from "../text/drop-media.ts";
import { textEndpoint } from "../text/endpoint.ts";
import { planChatPrompt } from "./plan-prompt.ts";
import { chatCompletionRequest, chatPromptPrefix, parseChatCompletionRequest } from "./protocol.ts";
import { chatResponseSerializer } from "./response-serializer.ts";

const chatCompletions = textEndpoint({
  paths: ["/inference/v1/chat/completions", "/v1/chat/completions"],
  operationId: "createChatCompletion",
  summary: "Chat completion",
  requestSchema: chatCompletionRequest,
  name: "chat/completions",
  promptField: "messages",
  parse: parseChatCompletionRequest,
  dropUnsupported: dropMedia,
  promptPrefix: chatPromptPrefix,
  planPrompt: planChatPrompt,
  serializer: chatResponseSerializer,
});

/** POST chat/completions. */
export function chatCompletionRoute(deps: InferenceDeps) {
  return endpointRoute(chatCompletions, deps);
}
