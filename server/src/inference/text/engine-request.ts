import type { EngineFeature, EngineInput, GenerateRequest } from "../../engine/generation.ts";
import type { Sampling } from "../../engine/sampling.ts";
import type { ReplicaLease } from "../../fleet/service.ts";
import { AppError } from "../../lib/errors.ts";
import type { LogprobFormat } from "./logprobs.ts";
import { maxTokensOf, samplingOf, stopsOf, type TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";

/** What a reply shows besides its text. */
export interface ResponseOptions {
  logprobs: LogprobFormat | null;
  tokenIds: boolean;
  rawOutput: boolean;
  /** The prompt in front of the output: all of it, or its last so many tokens. */
  echo: { last: number } | null;
  perfMetrics: boolean;
}

/** Who may reuse what is computed. */
export interface CacheOwner {
  /** That account's requests alone; null: all that the deployment answers. */
  accountId: string | null;
  /** From the header of the same meaning as the body's `prompt_cache_isolation_key`. */
  isolationKey: string | undefined;
}

/** The engine's request for one prompt. @throws AppError BAD_REQUEST for what the engine does not have, by its name. */
export function engineRequest(
  id: string,
  p: TextParameters,
  plan: PromptPlan,
  input: EngineInput,
  wishes: ResponseOptions,
  owner: CacheOwner,
  engine: ReplicaLease,
): GenerateRequest {
  const request: GenerateRequest = {
    id,
    input,
    sampling: samplingOf(p),
    n: p.n ?? 1,
    maxTokens: maxTokensOf(p),
    stop: stopsOf(p),
    stream: p.stream === true,
  };
  refuseUnknownSampling(request, engine);
  const features = new EngineFeatures(engine);
  const grammarParam = p.forced_generation == null ? "response_format" : "forced_generation";
  if (plan.grammar !== undefined && features.require("grammar", grammarParam)) request.grammar = plan.grammar;
  if (plan.json !== undefined && features.require("json", "response_format")) request.json = plan.json;
  const thinkingParam = p.thinking == null ? "reasoning_effort" : "thinking";
  if (plan.thinking !== undefined && features.require("thinking", thinkingParam))
    request.thinking = plan.thinking;
  const idsParam = wishes.tokenIds ? "return_token_ids" : wishes.rawOutput ? "raw_output" : null;
  const tokensParam = wishes.logprobs === null ? idsParam : "logprobs";
  if (tokensParam !== null && features.require("logprobs", tokensParam)) {
    request.logprobs = wishes.logprobs?.top ?? 0;
  }
  const echoParam = p.echo_last ? "echo_last" : "echo";
  const promptParam = wishes.echo === null ? idsParam : echoParam;
  if (promptParam !== null && features.require("promptTokens", promptParam)) {
    const withLogprobs = wishes.echo !== null && wishes.logprobs !== null;
    if (withLogprobs) features.require("promptLogprobs", echoParam);
    request.prompt = { logprobs: withLogprobs };
  }
  if (input.kind === "text" && input.plain !== undefined) features.require("plainText", "safe_tokenization");
  if (p.min_tokens && features.require("minTokens", "min_tokens")) request.minTokens = p.min_tokens;
  if (p.ignore_eos && features.require("ignoreEos", "ignore_eos")) request.ignoreEos = true;
  addPrediction(request, p, features);
  addCache(request, p, owner, features);
  return request;
}

class EngineFeatures {
  readonly #engine: ReplicaLease;

  constructor(engine: ReplicaLease) {
    this.#engine = engine;
  }

  has(feature: EngineFeature): boolean {
    return this.#engine.capabilities.features.includes(feature);
  }

  /** @throws AppError BAD_REQUEST naming the parameter. */
  require(feature: EngineFeature, param: string): true {
    if (this.has(feature)) return true;
    throw unsupported(param);
  }
}

/** A prediction changes what the output costs, not what it is: an engine without it answers all the same. */
function addPrediction(request: GenerateRequest, p: TextParameters, features: EngineFeatures): void {
  if (p.disable_speculation === true) {
    if (features.has("disableSpeculation")) request.disableSpeculation = true;
    return;
  }
  if (!features.has("prediction")) return;
  const { prediction, speculation } = p;
  if (Array.isArray(speculation)) request.prediction = { kind: "tokens", tokens: speculation };
  else if (speculation != null) request.prediction = { kind: "text", text: speculation };
  else if (prediction != null) {
    const content = typeof prediction === "string" ? prediction : prediction.content;
    const text = typeof content === "string" ? content : content.map((part) => part.text).join("");
    request.prediction = { kind: "text", text };
  }
}

function addCache(
  request: GenerateRequest,
  p: TextParameters,
  owner: CacheOwner,
  features: EngineFeatures,
): void {
  const key = p.prompt_cache_isolation_key ?? owner.isolationKey;
  if (features.has("cacheScope")) request.cacheScope = `${owner.accountId ?? ""}\n${key ?? ""}`;
  else if (key != null) throw unsupported("prompt_cache_isolation_key");
  if (p.prompt_cache_max_len != null && features.require("cacheMaxTokens", "prompt_cache_max_len")) {
    request.cacheMaxTokens = p.prompt_cache_max_len;
  }
}

/** Sampling the engine doesn't have is refused by its request name, never dropped. */
function refuseUnknownSampling(request: GenerateRequest, engine: ReplicaLease): void {
  for (const field in request.sampling) {
    if (engine.capabilities.sampling.includes(field as keyof Sampling)) continue;
    const param = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    throw unsupported(field === "mirostat" ? "mirostat_target" : param);
  }
}

function unsupported(param: string): AppError {
  return new AppError("BAD_REQUEST", `The engine of this model does not support ${param}.`, { param });
}
