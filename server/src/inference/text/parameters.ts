import { type Static, Type } from "typebox";
import type { Sampling } from "../../engine/sampling.ts";
import { badRequest } from "../../lib/errors.ts";
import { optional } from "./optional.ts";
import { reasoningParameters } from "./reasoning/settings.ts";
import { responseFormat } from "./response-format.ts";

/** Learning rate of mirostat when the request names none; 0, the contract's default, would learn nothing. */
const DEFAULT_MIROSTAT_LR = 0.1;
/** Output cap when the request names none. */
export const DEFAULT_MAX_TOKENS = 2048;
/** Largest count a client may ask for; far above any context, small enough to stay exact. */
export const MAX_COUNT = 2 ** 31 - 1;

/** Labels of one request, and their lengths; OpenAI's limits are the same. */
const MAX_LABELS = 16;
const MAX_LABEL_NAME = 64;
const MAX_LABEL_CHARS = 512;

/** Most tokens one request may bias; OpenAI's limit is the same. */
const MAX_BIASES = 1024;

export const textPart = Type.Object(
  { type: Type.Literal("text"), text: Type.String() },
  { additionalProperties: false },
);

/** The parameters chat and text completion have in common. Ranges are the contract's. */
export const textParameters = {
  model: Type.String({ minLength: 1, maxLength: 512 }),
  stream: optional(Type.Boolean()),
  stream_options: optional(
    Type.Object({ include_usage: optional(Type.Boolean()) }, { additionalProperties: false }),
  ),
  n: optional(Type.Integer({ minimum: 1, maximum: 128 })),
  stop: optional(
    Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { maxItems: 4 })]),
  ),
  max_tokens: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  max_completion_tokens: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  temperature: optional(Type.Number({ minimum: 0, maximum: 2 })),
  top_p: optional(Type.Number({ minimum: 0, maximum: 1 })),
  top_k: optional(Type.Integer({ minimum: 0, maximum: 100 })),
  min_p: optional(Type.Number({ minimum: 0, maximum: 1 })),
  seed: optional(Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })),
  frequency_penalty: optional(Type.Number({ minimum: -2, maximum: 2 })),
  presence_penalty: optional(Type.Number({ minimum: -2, maximum: 2 })),
  repetition_penalty: optional(Type.Number({ exclusiveMinimum: 0, maximum: 2 })),
  user: optional(Type.String({ maxLength: 512 })),
  typical_p: optional(Type.Number({ exclusiveMinimum: 0, maximum: 1 })),
  mirostat_target: optional(Type.Number({ exclusiveMinimum: 0, maximum: 100 })),
  mirostat_lr: optional(Type.Number({ minimum: 0, maximum: 1 })),
  logit_bias: optional(
    Type.Record(Type.String({ pattern: "^\\d{1,9}$" }), Type.Number({ minimum: -200, maximum: 200 }), {
      additionalProperties: false,
      maxProperties: MAX_BIASES,
    }),
  ),
  min_tokens: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  ignore_eos: optional(Type.Boolean()),
  logprobs: optional(Type.Union([Type.Integer({ minimum: 0, maximum: 5 }), Type.Boolean()])),
  top_logprobs: optional(Type.Integer({ minimum: 0, maximum: 5 })),
  echo: optional(Type.Boolean()),
  echo_last: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  raw_output: optional(Type.Boolean()),
  return_token_ids: optional(Type.Boolean()),
  perf_metrics_in_response: optional(Type.Boolean()),
  context_length_exceeded_behavior: optional(Type.Union([Type.Literal("truncate"), Type.Literal("error")])),
  prompt_cache_max_len: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  prompt_cache_isolation_key: optional(Type.String({ maxLength: 512 })),
  // Names a session for deployments that keep these together; beats `user`.
  prompt_cache_key: optional(Type.String({ maxLength: 512 })),
  prediction: optional(
    Type.Union([
      Type.String(),
      Type.Object(
        {
          type: Type.Optional(Type.Literal("content")),
          content: Type.Union([Type.String(), Type.Array(textPart, { minItems: 1 })]),
        },
        { additionalProperties: false },
      ),
    ]),
  ),
  speculation: optional(
    Type.Union([Type.String(), Type.Array(Type.Integer({ minimum: 0, maximum: MAX_COUNT }))]),
  ),
  disable_speculation: optional(Type.Boolean()),
  // Asks for a faster way to the same output.
  rewrite_speculation: optional(Type.Boolean()),
  response_format: optional(responseFormat),
  forced_generation: optional(Type.String({ minLength: 1, maxLength: 65_536 })),
  service_tier: optional(Type.Union([Type.Literal("auto"), Type.Literal("default"), Type.Literal("flex")])),
  // Labels to trace a request by.
  metadata: optional(
    Type.Record(
      Type.String({ pattern: `^[^]{1,${MAX_LABEL_NAME}}$` }),
      Type.String({ maxLength: MAX_LABEL_CHARS }),
      { additionalProperties: false, maxProperties: MAX_LABELS },
    ),
  ),
  ...reasoningParameters,
};

const commonSchema = Type.Object(textParameters);
export type TextParameters = Static<typeof commonSchema>;

/**
 * Contract parameters the platform does not honour yet, each with the values that ask for nothing. Any other value is
 * refused by name: a parameter is honoured or refused, never dropped.
 */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  get_last_activation: [false],
  images: [[]],
  store: [false],
};

/** Compares with a neutral value, which is flat: a hostile value is never searched deeper than that. */
function equalsNeutral(neutral: unknown, value: unknown): boolean {
  if (typeof neutral !== "object" || neutral === null) return value === neutral;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(neutral) !== Array.isArray(value)) return false;
  const entries = Object.entries(neutral);
  if (Object.keys(value).length !== entries.length) return false;
  return entries.every(([key, item]) => Object.hasOwn(value, key) && Reflect.get(value, key) === item);
}

/** Removes parameters that ask for nothing; refuses, by name, those that ask for what is not there yet. */
export function refuseUnsupported(body: Record<string, unknown>): void {
  for (const name in body) {
    const neutral = UNSUPPORTED[name];
    if (neutral === undefined || !Object.hasOwn(UNSUPPORTED, name)) continue;
    const value = body[name];
    const asksNothing = value === null || neutral.some((one) => equalsNeutral(one, value));
    if (!asksNothing) throw badRequest(name, `The parameter ${name} is not supported yet with this value.`);
    delete body[name];
  }
}

/** Rules between the parameters, beyond each one's range. */
export function checkCombinations(p: TextParameters): void {
  if (p.max_tokens != null && p.max_completion_tokens != null) {
    throw badRequest("max_completion_tokens", "Set max_tokens or max_completion_tokens, not both.");
  }
  if ((p.min_tokens ?? 0) > maxTokensOf(p)) {
    throw badRequest("min_tokens", "min_tokens must not be more than max_tokens.");
  }
  if (p.stream_options != null && p.stream !== true) {
    throw badRequest("stream_options", "stream_options is only allowed together with stream: true.");
  }
  if (p.prediction != null && p.speculation != null) {
    throw badRequest("speculation", "Set prediction or speculation, not both.");
  }
  if (p.mirostat_lr && p.mirostat_target == null) {
    throw badRequest("mirostat_lr", "mirostat_lr needs mirostat_target.");
  }
}

export function maxTokensOf(p: TextParameters): number {
  return p.max_tokens ?? p.max_completion_tokens ?? DEFAULT_MAX_TOKENS;
}

export function stopsOf(p: TextParameters): readonly string[] {
  if (p.stop == null) return [];
  return typeof p.stop === "string" ? [p.stop] : p.stop;
}

/** Engine sampling of a request: only what was set, so an engine is asked for nothing it need not have. */
export function samplingOf(p: TextParameters): Sampling {
  const sampling: Sampling = {};
  if (p.temperature != null) sampling.temperature = p.temperature;
  if (p.top_p != null) sampling.topP = p.top_p;
  if (p.top_k != null) sampling.topK = p.top_k;
  if (p.min_p != null) sampling.minP = p.min_p;
  if (p.seed != null) sampling.seed = p.seed;
  if (p.frequency_penalty != null) sampling.frequencyPenalty = p.frequency_penalty;
  if (p.presence_penalty != null) sampling.presencePenalty = p.presence_penalty;
  if (p.repetition_penalty != null) sampling.repetitionPenalty = p.repetition_penalty;
  if (p.typical_p != null && p.typical_p !== 1) sampling.typicalP = p.typical_p;
  if (p.mirostat_target != null) {
    sampling.mirostat = { target: p.mirostat_target, learningRate: p.mirostat_lr || DEFAULT_MIROSTAT_LR };
  }
  if (p.logit_bias != null) {
    const biases = Object.entries(p.logit_bias);
    if (biases.length > 0) sampling.logitBias = biases.map(([token, bias]) => [Number(token), bias]);
  }
  return sampling;
}
