import { extrasJson, objectJson, type ResponseSerializer } from "../text/response-serializer.ts";
import { messageJson, toolDeltaJson } from "../text/tools/response-message.ts";

const CHUNK = "chat.completion.chunk";

/** Writes chat completions and their chunks, as text because a stream writes one for each token. */
export const chatResponseSerializer: ResponseSerializer = {
  idPrefix: "chatcmpl-",
  response(head, choices, tail) {
    const list = choices.map(
      (choice, i) =>
        `{"index":${i},"message":${messageJson(choice)},"finish_reason":"${choice.finishReason}"` +
        `${extrasJson(choice.extras)}}`,
    );
    return objectJson(head, "chat.completion", list.join(","), tail);
  },
  openingChunk(head, choice, tail) {
    const opening = `{"index":${choice},"delta":{"role":"assistant","content":""},"finish_reason":null}`;
    return objectJson(head, CHUNK, opening, tail);
  },
  deltaChunk(head, choice, part, extras, tail) {
    const delta =
      part.type === "reasoning" ? `{"reasoning_content":${JSON.stringify(part.text)}}` : toolDeltaJson(part);
    if (delta === null) return null;
    const chunk = `{"index":${choice},"delta":${delta},"finish_reason":null${extrasJson(extras)}}`;
    return objectJson(head, CHUNK, chunk, tail);
  },
  finishChunk(head, choice, reason, extras, tail) {
    const chunk = `{"index":${choice},"delta":{},"finish_reason":"${reason}"${extrasJson(extras)}}`;
    return objectJson(head, CHUNK, chunk, tail);
  },
  usageChunk: (head, tail) => objectJson(head, CHUNK, "", tail),
};
