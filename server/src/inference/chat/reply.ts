import { chunkJson, headJson, type ReplyFormat, usageJson } from "../text/reply.ts";

const CHUNK = "chat.completion.chunk";

/** Chat completion objects and chunks. Built as text: a stream writes one a token. */
export const chatReply: ReplyFormat = {
  idPrefix: "chatcmpl-",
  whole(head, choices, usage) {
    const list = choices.map(
      ({ text, reason }, i) =>
        `{"index":${i},"message":{"role":"assistant","content":${JSON.stringify(text)}},"finish_reason":"${reason}"}`,
    );
    return `{${headJson(head, "chat.completion")},"choices":[${list.join(",")}],"usage":${usageJson(usage)}}`;
  },
  opening(head, choice, usage) {
    return chunkJson(
      head,
      CHUNK,
      `{"index":${choice},"delta":{"role":"assistant","content":""},"finish_reason":null}`,
      usage,
    );
  },
  delta(head, choice, text, usage) {
    return chunkJson(
      head,
      CHUNK,
      `{"index":${choice},"delta":{"content":${JSON.stringify(text)}},"finish_reason":null}`,
      usage,
    );
  },
  finish(head, choice, reason, usage) {
    return chunkJson(head, CHUNK, `{"index":${choice},"delta":{},"finish_reason":"${reason}"}`, usage);
  },
  usageOnly: (head, usage) => chunkJson(head, CHUNK, "", usage),
};
