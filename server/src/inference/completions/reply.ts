import type { FinishReason } from "../../engine/port.ts";
import { chunkJson, headJson, type ReplyFormat, usageJson } from "../text/reply.ts";

const OBJECT = "text_completion";

/** Text completion objects; a chunk differs from the whole only in holding one choice. */
export const completionReply: ReplyFormat = {
  idPrefix: "cmpl-",
  whole(head, choices, usage) {
    const list = choices.map(({ text, reason }, i) => choiceJson(i, text, reason));
    return `{${headJson(head, OBJECT)},"choices":[${list.join(",")}],"usage":${usageJson(usage)}}`;
  },
  opening: () => null,
  delta: (head, choice, text, usage) => chunkJson(head, OBJECT, choiceJson(choice, text, null), usage),
  finish: (head, choice, reason, usage) => chunkJson(head, OBJECT, choiceJson(choice, "", reason), usage),
  usageOnly: (head, usage) => chunkJson(head, OBJECT, "", usage),
};

function choiceJson(index: number, text: string, reason: FinishReason | null): string {
  const finish = reason === null ? "null" : `"${reason}"`;
  return `{"index":${index},"text":${JSON.stringify(text)},"logprobs":null,"finish_reason":${finish}}`;
}
