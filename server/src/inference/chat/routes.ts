import type { ChatMessage, EngineInput, EngineModelInfo } from "../../engine/port.ts";
import type { RoutedEngine } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import { type ChatTemplate, compileChatTemplate } from "../text/chat-template.ts";
import { type TextRouteDeps, textRoute } from "../text/routes.ts";
import { parseChatCompletionRequest, toEngineMessages } from "./protocol.ts";
import { chatReply } from "./reply.ts";
import { dropOldestTurns } from "./truncate.ts";

/** POST chat/completions. */
export function chatCompletionRoute(deps: TextRouteDeps) {
  const templateOf = templateCache();
  return textRoute(
    ["/inference/v1/chat/completions", "/v1/chat/completions"],
    {
      name: "chat/completions",
      promptField: "messages",
      parse: parseChatCompletionRequest,
      input(body, engine) {
        const messages = toEngineMessages(body);
        const write = engine.capabilities.rendersChat ? asChat : asText(templateOf(engine.model));
        const limit = body.prompt_truncate_len;
        if (limit == null) return write(messages);
        return dropOldestTurns(messages, limit, (some) => countTokens(engine, write(some), limit)).then(
          write,
        );
      },
      format: chatReply,
    },
    deps,
  );
}

function templateCache(): (model: EngineModelInfo) => ChatTemplate {
  const templates = new WeakMap<EngineModelInfo, ChatTemplate>();
  return (model) => {
    let template = templates.get(model);
    if (template === undefined) {
      const { chatTemplate, bosToken, eosToken } = model;
      if (chatTemplate === null)
        throw badRequest("model", "This model has no chat template; use completions.");
      template = compileChatTemplate(chatTemplate, bosToken, eosToken);
      templates.set(model, template);
    }
    return template;
  };
}

const asChat = (messages: readonly ChatMessage[]): EngineInput => ({ kind: "chat", messages });

// A template writes the start token itself where the model wants one.
const asText =
  (template: ChatTemplate) =>
  (messages: readonly ChatMessage[]): EngineInput => ({
    kind: "text",
    text: template.render(messages),
    addBos: false,
  });

/** Room for what an engine that renders chat itself writes around each message. */
const FRAME_TOKENS = 16;

/** Tokens of a prompt: exact when its text is known here; else never too few. What surely fits is not counted. */
async function countTokens(engine: RoutedEngine, input: EngineInput, limit: number): Promise<number> {
  if (input.kind === "tokens") return input.tokens.length;
  const text = input.kind === "text" ? input.text : input.messages.map(({ content }) => content).join("\n");
  const frames = input.kind === "text" ? 0 : FRAME_TOKENS * (input.messages.length + 1);
  // A token stands for at least one byte.
  const mostTokens = Buffer.byteLength(text) + frames;
  return mostTokens <= limit ? mostTokens : (await engine.tokenize(text)).length + frames;
}
