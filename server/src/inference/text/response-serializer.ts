import type { EngineUsage } from "../../engine/generation.ts";
import type { ChoiceFinishReason, ContentPart } from "./output-parser.ts";
import type { ResponseToolCall } from "./tools/response-message.ts";

/** Members that every object of one response repeats. */
export interface ResponseHead {
  /** `chatcmpl-…` or `cmpl-…`. */
  id: string;
  /** Unix seconds. */
  created: number;
  /** Full name of the model. */
  model: string;
  /** Names the configuration that the model runs with. */
  fingerprint: string;
}

/** Members of a choice that the request asks for. Objects are JSON texts. */
export interface ChoiceExtras {
  logprobs?: string;
  tokenIds?: readonly number[];
  promptTokenIds?: readonly number[];
  rawOutput?: string;
}

export interface CompletedChoice {
  content: string;
  reasoning: string;
  toolCalls: readonly ResponseToolCall[];
  finishReason: ChoiceFinishReason;
  extras: ChoiceExtras;
}

/** Members after the choices. */
export interface ResponseTail {
  usage: EngineUsage | null;
  /** JSON text. */
  perfMetrics?: string | undefined;
}

/** Writes the responses of one endpoint as JSON texts. */
export interface ResponseSerializer {
  idPrefix: string;
  response(head: ResponseHead, choices: readonly CompletedChoice[], tail: ResponseTail): string;
  /** The chunk that opens a choice; null: the endpoint has none. */
  openingChunk(head: ResponseHead, choice: number, tail: ResponseTail): string | null;
  /** The chunk of one part; null: the part has none. */
  deltaChunk(
    head: ResponseHead,
    choice: number,
    part: ContentPart,
    extras: ChoiceExtras,
    tail: ResponseTail,
  ): string | null;
  finishChunk(
    head: ResponseHead,
    choice: number,
    reason: ChoiceFinishReason,
    extras: ChoiceExtras,
    tail: ResponseTail,
  ): string;
  /** OpenAI's extra chunk: usage and no choices. */
  usageChunk(head: ResponseHead, tail: ResponseTail): string;
}

export const NO_EXTRAS: ChoiceExtras = {};

function usageJson(usage: EngineUsage): string {
  const { promptTokens, completionTokens, cachedTokens, prediction } = usage;
  const details =
    prediction === undefined
      ? ""
      : `,"completion_tokens_details":{"accepted_prediction_tokens":${prediction.acceptedTokens},` +
        `"rejected_prediction_tokens":${prediction.rejectedTokens}}`;
  return (
    `{"prompt_tokens":${promptTokens},"completion_tokens":${completionTokens},` +
    `"total_tokens":${promptTokens + completionTokens},` +
    `"prompt_tokens_details":{"cached_tokens":${cachedTokens}}${details}}`
  );
}

/** The first members of every object. */
export function headJson(head: ResponseHead, object: string): string {
  return (
    `"id":"${head.id}","object":"${object}","created":${head.created},"model":${JSON.stringify(head.model)},` +
    `"system_fingerprint":"${head.fingerprint}"`
  );
}

/** A whole response or one chunk. `choices` are the array's elements as JSON text. */
export function objectJson(head: ResponseHead, object: string, choices: string, tail: ResponseTail): string {
  const { usage, perfMetrics } = tail;
  const usageMember = `,"usage":${usage === null ? "null" : usageJson(usage)}`;
  const perfMember = perfMetrics === undefined ? "" : `,"perf_metrics":${perfMetrics}`;
  return `{${headJson(head, object)},"choices":[${choices}]${usageMember}${perfMember}}`;
}

/** The extras as members of a choice, each with a comma before it. */
export function extrasJson(extras: ChoiceExtras): string {
  if (extras === NO_EXTRAS) return "";
  const { logprobs, tokenIds, promptTokenIds, rawOutput } = extras;
  return (
    (logprobs === undefined ? "" : `,"logprobs":${logprobs}`) +
    (tokenIds === undefined ? "" : `,"token_ids":${JSON.stringify(tokenIds)}`) +
    (promptTokenIds === undefined ? "" : `,"prompt_token_ids":${JSON.stringify(promptTokenIds)}`) +
    (rawOutput === undefined ? "" : `,"raw_output":${rawOutput}`)
  );
}
