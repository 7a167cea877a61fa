/** Sends completions with any parameters through the platform's HTTP API and tells missing engine features from other errors. */
import { SseParser } from "../../src/engines/openai-server/sse.ts";
import { ENGINE_MODEL } from "../engine/client.ts";
import type { Hearth } from "../hearth.ts";

const TIMEOUT_MS = 120_000;
const MAX_EVENT_CHARS = 1_000_000;

export interface Answer {
  /** The text of all choices in the order of arrival. */
  text: string;
  choices: number;
  /** From the request to the last byte. */
  totalMs: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  /** Null when no prediction was used. */
  prediction: { accepted: number; rejected: number } | null;
}

/** The engine does not support the parameter. */
export class NotAvailable extends Error {
  override readonly name = "NotAvailable";
}

/** @param body the parameters except the model. @throws NotAvailable when the engine lacks a feature; Error for other failures */
export async function complete(hearth: Hearth, body: Record<string, unknown>): Promise<Answer> {
  const startMs = performance.now();
  const response = await fetch(`http://127.0.0.1:${hearth.port}/inference/v1/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${hearth.apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: ENGINE_MODEL, ...body }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw refusal(response.status, await response.text());
  const answer: Answer = {
    text: "",
    choices: 0,
    totalMs: 0,
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    prediction: null,
  };
  if (body["stream"] === true) {
    const parser = new SseParser((data) => {
      if (data !== "[DONE]") take(answer, JSON.parse(data) as CompletionJson);
    }, MAX_EVENT_CHARS);
    for await (const chunk of response.body!) parser.push(Buffer.from(chunk));
  } else {
    take(answer, (await response.json()) as CompletionJson);
  }
  answer.totalMs = performance.now() - startMs;
  return answer;
}

interface CompletionJson {
  error?: { message?: string; param?: string | null };
  choices: { index: number; text: string }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number };
    completion_tokens_details?: { accepted_prediction_tokens: number; rejected_prediction_tokens: number };
  } | null;
}

function take(answer: Answer, response: CompletionJson): void {
  if (response.error !== undefined) throw new Error(`the stream broke off: ${response.error.message}`);
  for (const { index, text } of response.choices) {
    answer.choices = Math.max(answer.choices, index + 1);
    answer.text += text;
  }
  if (!response.usage) return;
  const { prompt_tokens_details, completion_tokens_details } = response.usage;
  answer.promptTokens = response.usage.prompt_tokens;
  answer.completionTokens = response.usage.completion_tokens;
  answer.cachedTokens = prompt_tokens_details?.cached_tokens ?? 0;
  if (completion_tokens_details === undefined) return;
  answer.prediction = {
    accepted: completion_tokens_details.accepted_prediction_tokens,
    rejected: completion_tokens_details.rejected_prediction_tokens,
  };
}

function refusal(status: number, text: string): Error {
  const message = `HTTP ${status}: ${text.slice(0, 500)}`;
  const lacking = status === 400 && / does not support | is not supported yet /.test(text);
  return lacking ? new NotAvailable(message) : new Error(message);
}
