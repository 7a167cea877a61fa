import { extrasJson, objectJson, type ReplyFormat } from "../text/reply.ts";
import { messageJson, toolDeltaJson } from "../text/tools/reply.ts";

const CHUNK = "chat.completion.chunk";

/** Chat completion objects and chunks. Built as text: a stream writes one a token. */
export const chatReply: ReplyFormat = {
  idPrefix: "chatcmpl-",
  whole(head, choices, tail) {
    const list = choices.map(
      (choice, i) =>
        `{"index":${i},"message":${messageJson(choice)},"finish_reason":"${choice.reason}"` +
        `${extrasJson(choice.extras)}}`,
    );
    return objectJson(head, "chat.completion", list.join(","), tail);
  },
  opening(head, choice, tail) {
    const opening = `{"index":${choice},"delta":{"role":"assistant","content":""},"finish_reason":null}`;
    return objectJson(head, CHUNK, opening, tail);
  },
  delta(head, choice, part, extras, tail) {
    const delta =
      part.type === "reasoning" ? `{"reasoning_content":${JSON.stringify(part.text)}}` : toolDeltaJson(part);
    if (delta === null) return null;
    const chunk = `{"index":${choice},"delta":${delta},"finish_reason":null${extrasJson(extras)}}`;
    return objectJson(head, CHUNK, chunk, tail);
  },
  finish(head, choice, reason, extras, tail) {
    const chunk = `{"index":${choice},"delta":{},"finish_reason":"${reason}"${extrasJson(extras)}}`;
    return objectJson(head, CHUNK, chunk, tail);
  },
  usageOnly: (head, tail) => objectJson(head, CHUNK, "", tail),
};
