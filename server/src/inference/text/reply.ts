import type { EngineUsage, FinishReason } from "../../engine/port.ts";

/** What every object of one reply repeats. */
export interface ReplyHead {
  /** `chatcmpl-…` or `cmpl-…`. */
  id: string;
  /** Unix seconds. */
  created: number;
  /** Full name of the model that answers. */
  model: string;
}

export interface WholeChoice {
  text: string;
  reason: FinishReason;
}

/** How an endpoint writes its replies as JSON texts. `usage` undefined leaves the field out, null says null. */
export interface ReplyFormat {
  idPrefix: string;
  whole(head: ReplyHead, choices: readonly WholeChoice[], usage: EngineUsage): string;
  /** The chunk that opens a choice, or null where the endpoint has none. */
  opening(head: ReplyHead, choice: number, usage: null | undefined): string | null;
  delta(head: ReplyHead, choice: number, text: string, usage: null | undefined): string;
  finish(
    head: ReplyHead,
    choice: number,
    reason: FinishReason,
    usage: EngineUsage | null | undefined,
  ): string;
  /** OpenAI's extra chunk: usage and no choices. */
  usageOnly(head: ReplyHead, usage: EngineUsage): string;
}

export function usageJson(usage: EngineUsage): string {
  const { promptTokens, completionTokens, cachedTokens } = usage;
  return (
    `{"prompt_tokens":${promptTokens},"completion_tokens":${completionTokens},` +
    `"total_tokens":${promptTokens + completionTokens},"prompt_tokens_details":{"cached_tokens":${cachedTokens}}}`
  );
}

/** The members every object of a reply starts with. */
export function headJson(head: ReplyHead, object: string): string {
  return `"id":"${head.id}","object":"${object}","created":${head.created},"model":${JSON.stringify(head.model)}`;
}

/** One chunk of a stream around its `choices` member. */
export function chunkJson(
  head: ReplyHead,
  object: string,
  choices: string,
  usage: EngineUsage | null | undefined,
): string {
  const tail = usage === undefined ? "" : `,"usage":${usage === null ? "null" : usageJson(usage)}`;
  return `{${headJson(head, object)},"choices":[${choices}]${tail}}`;
}
