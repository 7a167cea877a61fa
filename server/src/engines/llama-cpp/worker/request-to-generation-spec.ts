import { clampToContext } from "../../../engine/context-limit.ts";
import type { GenerateRequest } from "../../../engine/generation.ts";
import type { GenerationSpec } from "../scheduling/generation.ts";
import type { LoadedModel } from "./load-model.ts";

/**
 * Checks a request and tokenizes its input.
 * @param loraKey key of its LoRA; undefined: the base model.
 * @throws EngineError when the request is invalid or does not fit the context.
 */
export function toGenerationSpec(
  id: number,
  request: GenerateRequest,
  { model, loraKey }: { model: LoadedModel; loraKey: number | undefined },
): GenerationSpec {
  const { tokenizer, backend, contextLength } = model;
  const { sampling, grammar } = request;
  const prompt = tokenizer.prompt(request.input);
  const maxTokens = clampToContext(prompt.length, request.maxTokens, contextLength);
  if (grammar !== undefined) backend.checkGrammar(grammar);
  tokenizer.checkBias((sampling.logitBias ?? []).map(([token]) => token));
  return {
    id,
    prompt,
    sampling,
    n: request.n,
    maxTokens,
    stop: request.stop,
    stream: request.stream,
    ...withoutUndefined({
      grammar,
      markers: request.markers,
      logprobs: request.logprobs,
      minTokens: request.minTokens,
      ignoreEos: request.ignoreEos,
      thinking: request.thinking,
      cacheScope: request.cacheScope,
      cacheMaxTokens: request.cacheMaxTokens,
      priority: request.priority,
      promptInfo: request.prompt,
      prediction:
        request.prediction === undefined ? undefined : tokenizer.prediction(request.prediction, maxTokens),
      speculate: request.disableSpeculation ? (false as const) : undefined,
      loraKey,
    } satisfies { [K in OptionalField]: GenerationSpec[K] | undefined }),
  };
}

/** The fields of a spec that a request may leave out; a new one must be set above. */
type OptionalField = {
  [K in keyof GenerationSpec]-?: undefined extends GenerationSpec[K] ? K : never;
}[keyof GenerationSpec];

/** Leaves out the fields that are undefined: the spec's optional fields must be absent, not undefined. */
function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
