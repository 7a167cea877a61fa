import { type Static, type TObject, type TProperties, Type } from "typebox";
import type { Sampling } from "../../engine/sampling.ts";
import { optional } from "./optional.ts";

/** Learning rate of mirostat when the request names none. At the contract's default of 0 mirostat would never adapt. */
const DEFAULT_MIROSTAT_RATE = 0.1;

/** Most tokens that one request may bias, as in OpenAI's API. */
const MAX_BIASES = 1024;

/** How one field of the engine's sampling is requested. */
interface SamplingParameter<Fields extends TProperties, Value> {
  /** The request's fields with their schemas. The first is the parameter's name: without it the parameter is not set. */
  fields: Fields;
  /** The engine's value. Null or undefined: the request does not set the parameter. */
  toEngine(request: Static<TObject<Fields>>): Value | null | undefined;
}

function parameter<Fields extends TProperties, Value>(
  fields: Fields,
  toEngine: (request: Static<TObject<Fields>>) => Value | null | undefined,
): SamplingParameter<Fields, Value> {
  return { fields, toEngine };
}

/**
 * Every sampling parameter. The request's schema, the engine's request and the refusal of parameters that an engine lacks
 * are all made from this table; a new field of `Sampling` does not compile until it is here. Ranges are the contract's.
 */
const PARAMETERS = {
  temperature: parameter(
    { temperature: optional(Type.Number({ minimum: 0, maximum: 2 })) },
    (request) => request.temperature,
  ),
  topP: parameter({ top_p: optional(Type.Number({ minimum: 0, maximum: 1 })) }, (request) => request.top_p),
  topK: parameter(
    { top_k: optional(Type.Integer({ minimum: 0, maximum: 100 })) },
    (request) => request.top_k,
  ),
  minP: parameter({ min_p: optional(Type.Number({ minimum: 0, maximum: 1 })) }, (request) => request.min_p),
  seed: parameter(
    {
      seed: optional(Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })),
    },
    (request) => request.seed,
  ),
  frequencyPenalty: parameter(
    { frequency_penalty: optional(Type.Number({ minimum: -2, maximum: 2 })) },
    (request) => request.frequency_penalty,
  ),
  presencePenalty: parameter(
    { presence_penalty: optional(Type.Number({ minimum: -2, maximum: 2 })) },
    (request) => request.presence_penalty,
  ),
  repetitionPenalty: parameter(
    { repetition_penalty: optional(Type.Number({ exclusiveMinimum: 0, maximum: 2 })) },
    (request) => request.repetition_penalty,
  ),
  typicalP: parameter(
    { typical_p: optional(Type.Number({ exclusiveMinimum: 0, maximum: 1 })) },
    // 1 keeps every token: an engine without the parameter does the same.
    (request) => (request.typical_p === 1 ? null : request.typical_p),
  ),
  mirostat: parameter(
    {
      mirostat_target: optional(Type.Number({ exclusiveMinimum: 0, maximum: 100 })),
      mirostat_lr: optional(Type.Number({ minimum: 0, maximum: 1 })),
    },
    ({ mirostat_target: target, mirostat_lr: rate }) =>
      target == null ? null : { target, learningRate: rate || DEFAULT_MIROSTAT_RATE },
  ),
  logitBias: parameter(
    {
      logit_bias: optional(
        Type.Record(Type.String({ pattern: "^\\d{1,9}$" }), Type.Number({ minimum: -200, maximum: 200 }), {
          additionalProperties: false,
          maxProperties: MAX_BIASES,
        }),
      ),
    },
    ({ logit_bias: biases }) => {
      if (biases == null) return null;
      const entries = Object.entries(biases);
      return entries.length === 0
        ? null
        : entries.map(([token, bias]): [number, number] => [Number(token), bias]);
    },
  ),
} satisfies { [Field in keyof Sampling]-?: SamplingParameter<TProperties, Sampling[Field]> };

type Parameters = typeof PARAMETERS;
type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (
  member: infer All,
) => void
  ? All
  : never;

/** The name of a parameter in the request. */
function requestName(field: keyof Sampling): string {
  return Object.keys(PARAMETERS[field].fields)[0] as string;
}

const FIELDS = Object.keys(PARAMETERS) as (keyof Sampling)[];

/** By the parameter's name in the request. */
const CONVERSIONS = new Map<string, { field: keyof Sampling; toEngine(request: object): unknown }>(
  FIELDS.map((field) => [requestName(field), { field, toEngine: PARAMETERS[field].toEngine }]),
);

/** The request's sampling fields, for the endpoint's schema. */
export const samplingFields = Object.assign(
  {},
  ...Object.values(PARAMETERS).map(({ fields }) => fields),
) as Intersection<Parameters[keyof Sampling]["fields"]>;

export type SamplingRequest = Static<TObject<typeof samplingFields>>;

/** The engine's sampling for a request. It has only the fields that the request sets, so that an engine may lack others. */
export function toEngineSampling(request: SamplingRequest): Sampling {
  const sampling: { [Field in keyof Sampling]: unknown } = {};
  // A loop over the table would be slower, because most requests set one parameter or two.
  for (const name in request) {
    const parameter = CONVERSIONS.get(name);
    if (parameter === undefined) continue;
    const value = parameter.toEngine(request);
    if (value != null) sampling[parameter.field] = value;
  }
  return sampling as Sampling;
}

/** The request's name of the first parameter that the engine lacks; null: it lacks none. */
export function unsupportedSampling(
  sampling: Sampling,
  supported: readonly (keyof Sampling)[],
): string | null {
  for (const field in sampling) {
    if (supported.includes(field as keyof Sampling)) continue;
    const first = FIELDS.find((candidate) => candidate in sampling && !supported.includes(candidate));
    return requestName(first as keyof Sampling);
  }
  return null;
}
