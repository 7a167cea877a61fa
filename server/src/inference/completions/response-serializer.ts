import type { ChoiceFinishReason } from "../text/output-parser.ts";
import {
  type ChoiceExtras,
  extrasJson,
  objectJson,
  type ResponseSerializer,
} from "../text/response-serializer.ts";

const OBJECT = "text_completion";

/** Writes text completions. A chunk is a completion with a single choice. */
export const completionResponseSerializer: ResponseSerializer = {
  idPrefix: "cmpl-",
  response(head, choices, tail) {
    const list = choices.map(({ content, finishReason: reason, extras }, i) =>
      choiceJson(i, content, reason, extras),
    );
    return objectJson(head, OBJECT, list.join(","), tail);
  },
  openingChunk: () => null,
  deltaChunk(head, choice, part, extras, tail) {
    if (part.type !== "content") return null;
    return objectJson(head, OBJECT, choiceJson(choice, part.text, null, extras), tail);
  },
  finishChunk: (head, choice, reason, extras, tail) =>
    objectJson(head, OBJECT, choiceJson(choice, "", reason, extras), tail),
  usageChunk: (head, tail) => objectJson(head, OBJECT, "", tail),
};

function choiceJson(
  index: number,
  text: string,
  reason: ChoiceFinishReason | null,
  extras: ChoiceExtras,
): string {
  const finish = reason === null ? "null" : `"${reason}"`;
  // The contract requires the member even when the request doesn't ask for it.
  const logprobs = extras.logprobs === undefined ? ',"logprobs":null' : "";
  return `{"index":${index},"text":${JSON.stringify(text)}${logprobs},"finish_reason":${finish}${extrasJson(extras)}}`;
}
