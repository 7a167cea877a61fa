import { type Static, Type } from "typebox";
import { badRequest } from "../../lib/errors.ts";
import { isMediaPart } from "../text/drop-media.ts";
import { optional } from "../text/optional.ts";
import { MAX_COUNT, textParameters, textPart } from "../text/parameters.ts";
import { createRequestParser } from "../text/request-parser.ts";
import {
  type ConversationMessage,
  normalizeConversation,
  type RequestMessage,
  toolMessageFields,
} from "../text/tools/conversation.ts";
import { toolParameters } from "../text/tools/definitions.ts";

const message = Type.Object(
  {
    role: Type.Union([
      Type.Literal("system"),
      Type.Literal("developer"),
      Type.Literal("user"),
      Type.Literal("assistant"),
      Type.Literal("tool"),
      Type.Literal("function"),
    ]),
    content: optional(Type.Union([Type.String(), Type.Array(textPart, { minItems: 1 })])),
    name: optional(Type.String({ pattern: "^[a-zA-Z0-9_-]{1,64}$" })),
    ...toolMessageFields,
    reasoning_content: optional(Type.String()),
    // Fields of a response that clients send back. Only their empty forms can be ignored.
    refusal: Type.Optional(Type.Null()),
    audio: Type.Optional(Type.Null()),
    annotations: optional(Type.Array(Type.Unknown(), { maxItems: 0 })),
    index: optional(Type.Integer()),
  },
  { additionalProperties: false },
);

export const chatCompletionRequest = Type.Object(
  {
    ...textParameters,
    ...toolParameters,
    messages: Type.Array(message, { minItems: 1 }),
    safe_tokenization: optional(Type.Boolean()),
    // Whether the reasoning stands beside the content or, as a think block, in front of it.
    reasoning_format: optional(Type.Union([Type.Literal("parsed"), Type.Literal("raw")])),
    add_generation_prompt: optional(Type.Boolean()),
    continue_final_message: optional(Type.Boolean()),
    // Fireworks' own SDK sends it with every request.
    prompt_truncate_len: optional(Type.Integer({ minimum: 1, maximum: MAX_COUNT })),
  },
  { additionalProperties: false },
);

export type ChatCompletionRequest = Static<typeof chatCompletionRequest>;

const parse = createRequestParser(chatCompletionRequest);

/** @throws AppError BAD_REQUEST naming the field. */
export function parseChatCompletionRequest(body: unknown): ChatCompletionRequest {
  refuseNonTextContent(body);
  return parse(body);
}

/** Joins text parts and matches tool results with their calls. @throws AppError BAD_REQUEST naming the field. */
export function toConversation(request: ChatCompletionRequest): ConversationMessage[] {
  return normalizeConversation(
    request.messages.map((message) => {
      const { content } = message;
      if (!Array.isArray(content)) return message as RequestMessage;
      return { ...message, content: content.map((part) => part.text).join("") };
    }),
  );
}

/** Refuses images, video and audio by name, because the schema's error would only say that the type must be "text". */
function refuseNonTextContent(body: unknown): void {
  const messages = (body as { messages?: unknown } | null)?.messages;
  if (!Array.isArray(messages)) return;
  messages.forEach((item, i) => {
    const content = (item as { content?: unknown } | null)?.content;
    if (!Array.isArray(content)) return;
    content.forEach((part, j) => {
      if (!isMediaPart(part)) return;
      const path = `messages[${i}].content[${j}].type`;
      throw badRequest(path, `${path}: this model does not accept ${part.type} content.`);
    });
  });
}

/** Longest prefix that is used for routing. */
const MAX_PREFIX_CHARS = 16_384;

/** The messages' roles and texts, joined. Conversations that start alike have prompts that start alike. */
export function chatPromptPrefix({ messages }: ChatCompletionRequest): string {
  let prefix = "";
  for (const { role, content } of messages) {
    if (prefix.length >= MAX_PREFIX_CHARS) break;
    const text = typeof content === "string" ? content : (content ?? []).map((part) => part.text).join("");
    prefix += `${role}\n${text}\n`;
  }
  return prefix;
}
