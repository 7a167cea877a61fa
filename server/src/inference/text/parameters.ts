import { type Static, Type } from "typebox";
import { badRequest } from "../../lib/errors.ts";
import { optional } from "./optional.ts";
import { reasoningParameters } from "./reasoning/settings.ts";
import { responseFormat } from "./response-format.ts";
import { samplingFields } from "./sampling.ts";

/** Output cap when the request names none. */
const DEFAULT_MAX_TOKENS = 2048;
/** Largest count a client may ask for: above any context length, and still an exact 32-bit integer. */
export const MAX_COUNT = 2 ** 31 - 1;

/** Limits of a request's labels, as in OpenAI's API. */
const MAX_LABELS = 16;
const MAX_LABEL_NAME = 64;
const MAX_LABEL_CHARS = 512;

export const textPart = Type.Object(
  { type: Type.Literal("text"), text: Type.String() },
  { additionalProperties: false },
);

/** The parameters that chat and text completions share. Ranges are the contract's. */
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
  ...samplingFields,
  user: optional(Type.String({ maxLength: 512 })),
  min_tokens: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  ignore_eos: optional(Type.Boolean()),
  logprobs: optional(Type.Union([Type.Integer({ minimum: 0, maximum: 5 }), Type.Boolean()])),
  top_logprobs: optional(Type.Integer({ minimum: 0, maximum: 20 })),
  echo: optional(Type.Boolean()),
  echo_last: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  raw_output: optional(Type.Boolean()),
  return_token_ids: optional(Type.Boolean()),
  perf_metrics_in_response: optional(Type.Boolean()),
  context_length_exceeded_behavior: optional(Type.Union([Type.Literal("truncate"), Type.Literal("error")])),
  prompt_cache_max_len: optional(Type.Integer({ minimum: 0, maximum: MAX_COUNT })),
  prompt_cache_isolation_key: optional(Type.String({ maxLength: 512 })),
  // Names the request's session, for deployments with session affinity; takes precedence over `user`.
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
  // Asks for a faster way to the same output, so ignoring it is correct.
  rewrite_speculation: optional(Type.Boolean()),
  response_format: optional(responseFormat),
  forced_generation: optional(Type.String({ minLength: 1, maxLength: 65_536 })),
  service_tier: optional(Type.Union([Type.Literal("auto"), Type.Literal("default"), Type.Literal("flex")])),
  // Labels to trace the request by.
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
 * Parameters of the contract that are not supported, each with its neutral values, which change nothing. Any other value
 * is refused by the parameter's name: a parameter is honoured or refused, never dropped.
 */
const UNSUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  get_last_activation: [false],
  images: [[]],
  store: [false],
};

/** Compares one level deep, because neutral values are flat: a deeply nested hostile value costs no more. */
function equalsNeutral(neutral: unknown, value: unknown): boolean {
  if (typeof neutral !== "object" || neutral === null) return value === neutral;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(neutral) !== Array.isArray(value)) return false;
  const entries = Object.entries(neutral);
  if (Object.keys(value).length !== entries.length) return false;
  return entries.every(([key, item]) => Object.hasOwn(value, key) && Reflect.get(value, key) === item);
}

/** Removes unsupported parameters with neutral values. @throws AppError BAD_REQUEST naming one with another value. */
export function refuseUnsupported(body: Record<string, unknown>): void {
  for (const name in body) {
    const neutral = UNSUPPORTED[name];
    if (neutral === undefined || !Object.hasOwn(UNSUPPORTED, name)) continue;
    const value = body[name];
    const isNeutral = value === null || neutral.some((candidate) => equalsNeutral(candidate, value));
    if (!isNeutral) throw badRequest(name, `The parameter ${name} is not supported yet with this value.`);
    delete body[name];
  }
}

/** Checks the rules between parameters. @throws AppError BAD_REQUEST naming the field. */
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
