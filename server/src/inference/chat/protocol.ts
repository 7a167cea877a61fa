import { type Static, Type } from "typebox";
import type { ChatMessage } from "../../engine/port.ts";
import { badRequest } from "../../lib/errors.ts";
import { MAX_COUNT, optional, textParameters } from "../text/parameters.ts";
import { bodyParser } from "../text/validate.ts";

const textPart = Type.Object(
  { type: Type.Literal("text"), text: Type.String() },
  { additionalProperties: false },
);

const message = Type.Object(
  {
    role: Type.Union([
      Type.Literal("system"),
      Type.Literal("developer"),
      Type.Literal("user"),
      Type.Literal("assistant"),
    ]),
    content: Type.Union([Type.String(), Type.Array(textPart, { minItems: 1 })]),
    name: optional(Type.String({ pattern: "^[a-zA-Z0-9_]{1,64}$" })),
    // Fields of an assistant's reply that clients echo; only their empty forms mean nothing.
    refusal: Type.Optional(Type.Null()),
    audio: Type.Optional(Type.Null()),
    function_call: Type.Optional(Type.Null()),
    tool_calls: Type.Optional(Type.Union([Type.Null(), Type.Array(Type.Unknown(), { maxItems: 0 })])),
    index: optional(Type.Integer()),
  },
  { additionalProperties: false },
);

export const chatCompletionRequest = Type.Object(
  {
    ...textParameters,
    messages: Type.Array(message, { minItems: 1 }),
    // Fireworks' own SDK sends one with every request.
    prompt_truncate_len: optional(Type.Integer({ minimum: 1, maximum: MAX_COUNT })),
  },
  { additionalProperties: false },
);

export type ChatCompletionRequest = Static<typeof chatCompletionRequest>;

const parse = bodyParser(chatCompletionRequest);

/** @throws AppError BAD_REQUEST naming the field. */
export function parseChatCompletionRequest(body: unknown): ChatCompletionRequest {
  refuseOtherContent(body);
  return parse(body);
}

/** The engine's messages: text parts joined, `developer` under its older name. */
export function toEngineMessages(request: ChatCompletionRequest): ChatMessage[] {
  return request.messages.map(({ role, content, name }) => {
    const text = typeof content === "string" ? content : content.map((part) => part.text).join("");
    const engineRole = role === "developer" ? "system" : role;
    return name == null ? { role: engineRole, content: text } : { role: engineRole, content: text, name };
  });
}

/** Says plainly what a schema error would only hint at: what kinds of content are not there yet. */
function refuseOtherContent(body: unknown): void {
  const messages = (body as { messages?: unknown } | null)?.messages;
  if (!Array.isArray(messages)) return;
  messages.forEach((item, i) => {
    const role = (item as { role?: unknown } | null)?.role;
    if (role === "tool" || role === "function") {
      const path = `messages[${i}].role`;
      throw badRequest(path, `${path}: the role ${role} is not supported yet.`);
    }
    const content = (item as { content?: unknown } | null)?.content;
    if (!Array.isArray(content)) return;
    content.forEach((part, j) => {
      const type = (part as { type?: unknown } | null)?.type;
      if (typeof type === "string" && /^(image_url|video_url|input_audio|audio_url)$/.test(type)) {
        const path = `messages[${i}].content[${j}].type`;
        throw badRequest(path, `${path}: this model does not accept ${type} content.`);
      }
    });
  });
}
