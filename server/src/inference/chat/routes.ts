import type { EngineModelInfo } from "../../engine/port.ts";
import { badRequest } from "../../lib/errors.ts";
import { type ChatTemplate, compileChatTemplate } from "../text/chat-template.ts";
import { type TextRouteDeps, textRoute } from "../text/routes.ts";
import { parseChatCompletionRequest, toEngineMessages } from "./protocol.ts";
import { chatReply } from "./reply.ts";

/** POST chat/completions. */
export function chatCompletionRoute(deps: TextRouteDeps) {
  const templates = new WeakMap<EngineModelInfo, ChatTemplate>();
  return textRoute(
    ["/inference/v1/chat/completions", "/v1/chat/completions"],
    {
      name: "chat/completions",
      promptField: "messages",
      parse: parseChatCompletionRequest,
      input(body, engine) {
        const messages = toEngineMessages(body);
        if (engine.capabilities.rendersChat) return { kind: "chat", messages };
        let template = templates.get(engine.model);
        if (template === undefined) {
          const { chatTemplate, bosToken, eosToken } = engine.model;
          if (chatTemplate === null)
            throw badRequest("model", "This model has no chat template; use completions.");
          template = compileChatTemplate(chatTemplate, bosToken, eosToken);
          templates.set(engine.model, template);
        }
        // A template writes the start token itself where the model wants one.
        return { kind: "text", text: template.render(messages), addBos: false };
      },
      format: chatReply,
    },
    deps,
  );
}
