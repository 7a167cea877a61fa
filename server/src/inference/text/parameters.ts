import { type Static, type TSchema, Type } from "typebox";
import type { Sampling } from "../../engine/port.ts";
import { badRequest } from "../../lib/errors.ts";

/** A field that may be absent or null; both mean the default. */
export function optional<T extends TSchema>(schema: T) {
  return Type.Optional(Type.Union([schema, Type.Null()]));
}

/** Output cap when the request names none. */
export const DEFAULT_MAX_TOKENS = 2048;
/** Largest count a client may ask for; far above any context, small enough to stay exact. */
export const MAX_COUNT = 2 ** 31 - 1;

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
};

const commonSchema = Type.Object(textParameters);
export type TextParameters = Static<typeof commonSchema>;

/**
 * Contract parameters the platform does not honour yet, each with the values that ask for nothing. Any other value is
 * refused by name: a parameter is honoured or refused, never dropped.
 */
const NOT_YET: Readonly<Record<string, readonly unknown[]>> = {
  context_length_exceeded_behavior: ["truncate"],
  disable_speculation: [false],
  echo: [false],
  echo_last: [0],
  forced_generation: [],
  function_call: ["none", "auto"],
  functions: [[]],
  get_last_activation: [false],
  ignore_eos: [false],
  images: [[]],
  logit_bias: [{}],
  logprobs: [false],
  metadata: [{}],
  min_tokens: [0],
  mirostat_lr: [0],
  mirostat_target: [],
  parallel_tool_calls: [true, false],
  perf_metrics_in_response: [false],
  prediction: [],
  prompt_cache_isolation_key: [],
  prompt_cache_key: [],
  prompt_cache_max_len: [],
  raw_output: [false],
  reasoning_effort: ["none", false],
  reasoning_history: [],
  response_format: [{ type: "text" }],
  return_token_ids: [false],
  rewrite_speculation: [false],
  safe_tokenization: [false],
  service_tier: ["auto", "default"],
  speculation: [],
  store: [false],
  thinking: [{ type: "disabled" }],
  tool_choice: ["none", "auto"],
  tools: [[]],
  top_logprobs: [0],
  typical_p: [1],
};

/** Compares with a neutral value, which is flat: a hostile value is never searched deeper than that. */
function isSame(neutral: unknown, value: unknown): boolean {
  if (typeof neutral !== "object" || neutral === null) return value === neutral;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(neutral) !== Array.isArray(value)) return false;
  const entries = Object.entries(neutral);
  if (Object.keys(value).length !== entries.length) return false;
  return entries.every(([key, item]) => Object.hasOwn(value, key) && Reflect.get(value, key) === item);
}

/** Removes parameters that ask for nothing; refuses, by name, those that ask for what is not there yet. */
export function refuseNotYet(body: Record<string, unknown>): void {
  for (const name in body) {
    const neutral = NOT_YET[name];
    if (neutral === undefined || !Object.hasOwn(NOT_YET, name)) continue;
    const value = body[name];
    const asksNothing = value === null || neutral.some((one) => isSame(one, value));
    if (!asksNothing) throw badRequest(name, `The parameter ${name} is not supported yet with this value.`);
    delete body[name];
  }
}

/** Rules between the parameters, beyond each one's range. */
export function checkCombinations(p: TextParameters): void {
  if (p.max_tokens != null && p.max_completion_tokens != null) {
    throw badRequest("max_completion_tokens", "Set max_tokens or max_completion_tokens, not both.");
  }
  if (p.stream_options != null && p.stream !== true) {
    throw badRequest("stream_options", "stream_options is only allowed together with stream: true.");
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
  return sampling;
}
