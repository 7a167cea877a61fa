import type { EngineFeature, EngineInput, GenerateRequest } from "../../engine/generation.ts";
import type { ReplicaLease } from "../../fleet/service.ts";
import { AppError } from "../../lib/errors.ts";
import type { InferenceRequest } from "../pipeline/request.ts";
import type { LogprobFormat } from "./logprobs.ts";
import { maxTokensOf, stopsOf, type TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import { toEngineSampling, unsupportedSampling } from "./sampling.ts";

/** Parts of a response besides its text. */
export interface ResponseOptions {
  /** Null: no log probabilities. */
  logprobs: LogprobFormat | null;
  tokenIds: boolean;
  rawOutput: boolean;
  /** Puts the prompt's last `last` tokens in front of the output; null: none. */
  echo: { last: number } | null;
  perfMetrics: boolean;
}

/**
 * The engine's request for one prompt.
 * @throws AppError BAD_REQUEST naming the parameter that needs a feature the engine lacks.
 */
export function toEngineRequest({
  request: { target, body, route, record, admission, replica },
  plan,
  input,
  options,
}: {
  request: InferenceRequest<TextParameters>;
  plan: PromptPlan;
  input: EngineInput;
  options: ResponseOptions;
}): GenerateRequest {
  const request: GenerateRequest = {
    id: target.id,
    input,
    sampling: toEngineSampling(body),
    n: body.n ?? 1,
    maxTokens: maxTokensOf(body),
    stop: stopsOf(body),
    stream: body.stream === true,
  };
  if (plan.markers !== undefined) request.markers = plan.markers;
  const missing = unsupportedSampling(request.sampling, replica.capabilities.sampling);
  if (missing !== null) throw unsupported(missing);
  if (plan.grammar !== undefined) {
    requireFeature(
      replica,
      "grammar",
      body.forced_generation == null ? "response_format" : "forced_generation",
    );
    request.grammar = plan.grammar;
  }
  if (plan.json !== undefined) {
    requireFeature(replica, "json", "response_format");
    request.json = plan.json;
  }
  if (plan.thinking !== undefined) {
    requireFeature(replica, "thinking", body.thinking == null ? "reasoning_effort" : "thinking");
    request.thinking = plan.thinking;
  }
  const idsParam = options.tokenIds ? "return_token_ids" : options.rawOutput ? "raw_output" : null;
  const logprobsParam = options.logprobs === null ? idsParam : "logprobs";
  if (logprobsParam !== null) {
    requireFeature(replica, "logprobs", logprobsParam);
    request.logprobs = options.logprobs?.top ?? 0;
  }
  const echoParam = body.echo_last ? "echo_last" : "echo";
  const promptParam = options.echo === null ? idsParam : echoParam;
  if (promptParam !== null) {
    requireFeature(replica, "promptTokens", promptParam);
    const withLogprobs = options.echo !== null && options.logprobs !== null;
    if (withLogprobs) requireFeature(replica, "promptLogprobs", echoParam);
    request.prompt = { logprobs: withLogprobs };
  }
  if (input.kind === "text" && input.plain !== undefined) {
    requireFeature(replica, "plainText", "safe_tokenization");
  }
  if (body.min_tokens) {
    requireFeature(replica, "minTokens", "min_tokens");
    request.minTokens = body.min_tokens;
  }
  if (body.ignore_eos) {
    requireFeature(replica, "ignoreEos", "ignore_eos");
    request.ignoreEos = true;
  }
  addPrediction(request, body, replica);
  const isolationKey = body.prompt_cache_isolation_key ?? target.header("x-prompt-cache-isolation-key");
  if (hasFeature(replica, "cacheScope")) {
    const accountId = route.isolation === "account" ? record.accountId : "";
    request.cacheScope = `${accountId}\n${isolationKey ?? ""}`;
  } else if (isolationKey != null) {
    throw unsupported("prompt_cache_isolation_key");
  }
  if (body.prompt_cache_max_len != null) {
    requireFeature(replica, "cacheMaxTokens", "prompt_cache_max_len");
    request.cacheMaxTokens = body.prompt_cache_max_len;
  }
  if (admission.isOverLimit) request.priority = "low";
  return request;
}

/** An engine without predictions ignores them: a prediction changes the cost of the output, not the output. */
function addPrediction(request: GenerateRequest, body: TextParameters, replica: ReplicaLease): void {
  if (body.disable_speculation === true) {
    if (hasFeature(replica, "disableSpeculation")) request.disableSpeculation = true;
    return;
  }
  if (!hasFeature(replica, "prediction")) return;
  const { prediction, speculation } = body;
  if (Array.isArray(speculation)) request.prediction = { kind: "tokens", tokens: speculation };
  else if (speculation != null) request.prediction = { kind: "text", text: speculation };
  else if (prediction != null) {
    const content = typeof prediction === "string" ? prediction : prediction.content;
    const text = typeof content === "string" ? content : content.map((part) => part.text).join("");
    request.prediction = { kind: "text", text };
  }
}

function hasFeature(replica: ReplicaLease, feature: EngineFeature): boolean {
  return replica.capabilities.features.includes(feature);
}

/** @throws AppError BAD_REQUEST naming the parameter. */
function requireFeature(replica: ReplicaLease, feature: EngineFeature, param: string): void {
  if (!hasFeature(replica, feature)) throw unsupported(param);
}

function unsupported(param: string): AppError {
  return new AppError("BAD_REQUEST", `The engine of this model does not support ${param}.`, { param });
}
