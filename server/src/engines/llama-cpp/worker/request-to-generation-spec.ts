import { clampToContext } from "../../../engine/context-limit.ts";
import type { GenerateRequest } from "../../../engine/port.ts";
import type { GenerationSpec } from "../scheduling/generation.ts";
import type { LoadedModel } from "./load-model.ts";

/**
 * A request in the scheduler's words.
 * @param loraKey the key of its adapter, if it has one.
 * @throws EngineError when it can't be computed.
 */
export function toGenerationSpec(
  id: number,
  request: GenerateRequest,
  loraKey: number | undefined,
  model: LoadedModel,
): GenerationSpec {
  const { tokenizer, backend, contextLength } = model;
  const prompt = tokenizer.prompt(request.input);
  const maxTokens = clampToContext(prompt.length, request.maxTokens, contextLength);
  if (request.grammar !== undefined) backend.checkGrammar(request.grammar);
  tokenizer.checkBias((request.sampling.logitBias ?? []).map(([token]) => token));
  const { sampling, n, stop, stream, grammar, logprobs, minTokens, ignoreEos, thinking } = request;
  const { cacheScope, cacheMaxTokens, priority } = request;
  const cache = { cacheScope, cacheMaxTokens };
  const spec = { grammar, logprobs, minTokens, ignoreEos, thinking, ...cache, priority, loraKey };
  return {
    ...withoutUndefined(spec),
    ...(request.disableSpeculation ? { speculate: false as const } : {}),
    ...(request.prompt === undefined ? {} : { promptInfo: request.prompt }),
    ...(request.prediction === undefined
      ? {}
      : { prediction: tokenizer.prediction(request.prediction, maxTokens) }),
    ...{ id, prompt, sampling, n, maxTokens, stop, stream },
  };
}

/** Without the fields that are undefined. */
function withoutUndefined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
