/** Wire format of OpenAI-compatible model servers: writes request bodies and reads the parts of responses that matter. */
import { createHash } from "node:crypto";
import type { ChatMessage } from "../../engine/chat.ts";
import type { EngineInput, EngineUsage, FinishReason, GenerateRequest } from "../../engine/generation.ts";
import { SAMPLING_RULES, type Sampling } from "../../engine/sampling.ts";

/** Whether the server takes fields beyond OpenAI's own; see `OpenAiServerOptions.dialect`. */
export type Dialect = "extended" | "openai";

/** Undefined fields are left out by JSON.stringify. */
interface RequestBody {
  model: string;
  messages?: readonly object[];
  prompt?: string | readonly number[];
  add_special_tokens?: false;
  max_tokens?: number;
  temperature: number;
  top_p: number;
  n?: number;
  stop?: readonly string[];
  seed?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  repeat_penalty?: number;
  repeat_last_n?: number;
  stream?: true;
  stream_options?: { include_usage: true; continuous_usage_stats?: true };
  continue_final_message?: true;
  add_generation_prompt?: false;
  tools?: readonly object[];
  tool_choice?: string | object;
  parallel_tool_calls?: false;
  reasoning_effort?: string;
  chat_template_kwargs?: Record<string, unknown>;
  thinking_token_budget?: number;
  response_format?: object;
  structured_outputs?: { grammar: string };
  guided_grammar?: string;
  grammar?: string;
  ebnf?: string;
  logprobs?: boolean | number;
  top_logprobs?: number;
  return_token_ids?: true;
  logit_bias?: Record<string, number>;
  min_tokens?: number;
  ignore_eos?: true;
  cache_salt?: string;
}

/**
 * The body of one request. temperature, top_p, top_k and min_p are always written, neutral when the request doesn't set
 * them, because servers apply defaults of their own that the port forbids (llama-server: top_k 40, min_p 0.05).
 * @param maxTokens null leaves the limit to the server.
 */
export function requestBody(
  model: string,
  dialect: Dialect,
  request: GenerateRequest,
  maxTokens: number | null,
): string {
  const { sampling, input } = request;
  const body: RequestBody = {
    model,
    temperature: sampling.temperature ?? SAMPLING_RULES.temperature.neutral,
    top_p: sampling.topP ?? SAMPLING_RULES.topP.neutral,
  };
  if (input.kind === "chat") {
    addChat(body, dialect, input);
  } else if (input.kind === "text") {
    body.prompt = input.text;
    if (!input.addBos && dialect === "extended") body.add_special_tokens = false;
  } else {
    body.prompt = input.tokens;
  }
  // A server generates at least one token: for `maxTokens` 0 the adapter requests one and drops it.
  if (maxTokens !== null) body.max_tokens = maxTokens === 0 ? 1 : maxTokens;
  if (request.n > 1) body.n = request.n;
  if (request.stop.length > 0) body.stop = request.stop;
  if (sampling.seed !== undefined) body.seed = sampling.seed;
  addPenalties(body, dialect, sampling);
  addStructuredOutput(body, request);
  addTokenOptions(body, dialect, request);
  if (dialect === "extended") {
    // −1 means "off" to every server; some refuse 0.
    body.top_k = sampling.topK || -1;
    body.min_p = sampling.minP ?? SAMPLING_RULES.minP.neutral;
  }
  if (request.stream) {
    body.stream = true;
    body.stream_options =
      dialect === "extended"
        ? { include_usage: true, continuous_usage_stats: true }
        : { include_usage: true };
  }
  return JSON.stringify(body);
}

function addChat(body: RequestBody, dialect: Dialect, input: Extract<EngineInput, { kind: "chat" }>): void {
  const { messages, tools, reasoning, finalTurn } = input;
  body.messages = messages.map(messageJson);
  if (finalTurn !== undefined) body.add_generation_prompt = false;
  if (finalTurn === "continued") body.continue_final_message = true;
  if (tools !== undefined) {
    const { toolChoice } = tools;
    // OpenAI itself refuses strict schemas that leave a property optional or open.
    const isForced = toolChoice !== "auto" && dialect === "extended";
    body.tools = tools.functions.map(({ name, description, parameters, strict }) => ({
      type: "function",
      function: {
        name,
        description: description ?? undefined,
        parameters,
        strict: strict || isForced || undefined,
      },
    }));
    body.tool_choice =
      typeof toolChoice === "string" ? toolChoice : { type: "function", function: toolChoice };
    if (!tools.parallelToolCalls) body.parallel_tool_calls = false;
  }
  if (reasoning === undefined) return;
  if (reasoning.effort !== undefined) body.reasoning_effort = reasoning.effort;
  if (dialect === "openai") {
    if (!reasoning.enabled) body.reasoning_effort = "none";
    return;
  }
  // Chat templates call the switch by either name.
  body.chat_template_kwargs = { enable_thinking: reasoning.enabled, thinking: reasoning.enabled };
  if (reasoning.maxTokens !== undefined) body.thinking_token_budget = reasoning.maxTokens;
}

function messageJson(message: ChatMessage): object {
  const { role, content, name, toolCalls, toolCallId, reasoning } = message;
  if (toolCalls === undefined && toolCallId === undefined && reasoning === undefined) return message;
  return {
    role,
    content: content === "" && toolCalls !== undefined ? null : content,
    name,
    tool_calls: toolCalls?.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.arguments },
    })),
    tool_call_id: toolCallId,
    reasoning_content: reasoning,
  };
}

function addStructuredOutput(body: RequestBody, { grammar, json }: GenerateRequest): void {
  if (grammar !== undefined) {
    // The field of vLLM, vLLM before 0.12, llama-server and SGLang, in this order. Each server ignores the other fields.
    body.structured_outputs = { grammar };
    body.guided_grammar = grammar;
    body.grammar = grammar;
    body.ebnf = grammar;
  }
  if (json === undefined) return;
  body.response_format =
    json.schema === null
      ? { type: "json_object" }
      : { type: "json_schema", json_schema: { name: "reply", schema: json.schema, strict: true } };
}

function addTokenOptions(body: RequestBody, dialect: Dialect, request: GenerateRequest): void {
  const { logprobs, minTokens, ignoreEos, cacheScope, input, sampling } = request;
  if (logprobs !== undefined) {
    body.logprobs = input.kind === "chat" ? true : logprobs;
    if (input.kind === "chat") body.top_logprobs = logprobs;
    if (dialect === "extended") body.return_token_ids = true;
  }
  if (sampling.logitBias !== undefined) body.logit_bias = Object.fromEntries(sampling.logitBias);
  if (minTokens !== undefined) body.min_tokens = minTokens;
  if (ignoreEos) body.ignore_eos = true;
  // Hashed, because the scope holds an account's name, which the server must not see.
  if (cacheScope !== undefined) body.cache_salt = createHash("sha256").update(cacheScope).digest("base64url");
}

function addPenalties(body: RequestBody, dialect: Dialect, sampling: Sampling): void {
  const { frequencyPenalty, presencePenalty, repetitionPenalty } = sampling;
  if (frequencyPenalty !== undefined) body.frequency_penalty = frequencyPenalty;
  if (presencePenalty !== undefined) body.presence_penalty = presencePenalty;
  if (dialect === "openai") return;
  if (repetitionPenalty !== undefined) {
    body.repetition_penalty = repetitionPenalty;
    body.repeat_penalty = repetitionPenalty;
  }
  // llama-server penalises only the last 64 tokens by default; −1 means all.
  if (frequencyPenalty || presencePenalty || repetitionPenalty !== undefined) body.repeat_last_n = -1;
}

/** The fields of a response or stream chunk that are read. Servers may leave any out or send another type. */
export interface ResponseBody {
  choices?: ResponseChoice[];
  usage?: ResponseUsage | null;
  error?: unknown;
}

export interface ResponseChoice {
  index?: number;
  text?: unknown;
  message?: ResponseMessage | null;
  delta?: ResponseMessage | null;
  logprobs?: unknown;
  token_ids?: unknown;
  finish_reason?: unknown;
}

export interface ResponseMessage {
  content?: unknown;
  /** vLLM calls it `reasoning` since 0.12. */
  reasoning_content?: unknown;
  reasoning?: unknown;
  tool_calls?: unknown;
}

export interface ResponseUsage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  prompt_tokens_details?: { cached_tokens?: unknown } | null;
}

/** Null when a count is missing. */
export function parseUsage(usage: ResponseUsage | null | undefined): EngineUsage | null {
  if (usage === null || usage === undefined) return null;
  const promptTokens = usage.prompt_tokens;
  const completionTokens = usage.completion_tokens;
  if (!isCount(promptTokens) || !isCount(completionTokens)) return null;
  const cached = usage.prompt_tokens_details?.cached_tokens;
  return {
    promptTokens,
    cachedTokens: isCount(cached) ? Math.min(cached, promptTokens) : 0,
    completionTokens,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Null when the server gave the choice up (`abort`, `error`): the text so far is no result. */
export function parseFinishReason(reason: string): FinishReason | null {
  if (reason === "length") return "length";
  return reason === "abort" || reason === "error" ? null : "stop";
}

/** Estimate of a text's tokens: a quarter of its UTF-8 bytes, the usual ratio of English. */
export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4);
}

/** Estimate of a prompt's tokens, for when the server reported none (aborted early, or no usage in the response). */
export function estimatePromptTokens(request: GenerateRequest): number {
  const { input } = request;
  if (input.kind === "tokens") return input.tokens.length;
  if (input.kind === "text") return estimateTokens(input.text);
  let tokens = 0;
  // Each message costs about four tokens of markup in common templates.
  for (const message of input.messages) tokens += estimateTokens(message.content) + 4;
  if (input.tools !== undefined) tokens += estimateTokens(JSON.stringify(input.tools.functions));
  return tokens;
}
