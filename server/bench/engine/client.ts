/** Completions through the platform's HTTP API, with the arrival time of every delta. */
import { Agent, type IncomingMessage, request } from "node:http";
import { SseParser } from "../../src/engines/openai-server/sse.ts";
import type { Hearth } from "../hearth.ts";

export const ENGINE_MODEL = "accounts/fireworks/models/smollm2-135m-instruct";

export interface Completion {
  status: number;
  retryAfter: string | null;
  /** Milliseconds from the request to each delta with text. */
  deltasMs: number[];
  totalMs: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  /** The error body when the status isn't 200. */
  error: string | null;
}

export interface Order {
  prompt: string;
  maxTokens: number;
  stream: boolean;
  onDelta?: (count: number) => void;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1_000 });
const TIMEOUT_MS = 120_000;

/** Resolves also for error statuses. Rejects when the connection breaks or is silent for two minutes. */
export function complete(hearth: Hearth, order: Order): Promise<Completion> {
  const body = JSON.stringify({
    model: ENGINE_MODEL,
    prompt: order.prompt,
    max_tokens: order.maxTokens,
    temperature: 0,
    ...(order.stream ? { stream: true } : {}),
  });
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        port: hearth.port,
        host: "127.0.0.1",
        method: "POST",
        path: "/inference/v1/completions",
        headers: { authorization: `Bearer ${hearth.apiKey}`, "content-type": "application/json" },
        timeout: TIMEOUT_MS,
      },
      (response) => {
        read(response, order, startMs).then(resolve, reject);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

interface CompletionJson {
  choices?: { text?: string }[];
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens?: number } | null;
  } | null;
}

async function read(response: IncomingMessage, order: Order, startMs: number): Promise<Completion> {
  const completion: Completion = {
    status: response.statusCode ?? 0,
    retryAfter: (response.headers["retry-after"] as string | undefined) ?? null,
    deltasMs: [],
    totalMs: 0,
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    error: null,
  };
  const take = (response: CompletionJson) => {
    if (response.choices?.some((choice) => choice.text)) {
      completion.deltasMs.push(performance.now() - startMs);
      order.onDelta?.(completion.deltasMs.length);
    }
    if (!response.usage) return;
    completion.promptTokens = response.usage.prompt_tokens;
    completion.completionTokens = response.usage.completion_tokens;
    completion.cachedTokens = response.usage.prompt_tokens_details?.cached_tokens ?? 0;
  };
  const streamed = order.stream && completion.status === 200;
  const parser = new SseParser((data) => {
    if (data !== "[DONE]") take(JSON.parse(data) as CompletionJson);
  }, 1_000_000);
  let text = "";
  for await (const chunk of response) {
    if (streamed) parser.push(chunk as Buffer);
    else text += (chunk as Buffer).toString();
  }
  completion.totalMs = performance.now() - startMs;
  if (completion.status !== 200) completion.error = text.slice(0, 500);
  else if (!streamed) take(JSON.parse(text) as CompletionJson);
  return completion;
}

/** As `complete`, for requests that must succeed. */
export async function mustComplete(hearth: Hearth, order: Order): Promise<Completion> {
  const completion = await complete(hearth, order);
  if (completion.error !== null) throw new Error(`HTTP ${completion.status}: ${completion.error}`);
  return completion;
}
