import { AppError } from "../../lib/errors.ts";
import { rememberSchemaTexts } from "../../structured-output/schema-text.ts";
import type { Endpoint } from "../pipeline/endpoint.ts";
import type { InferenceRequest } from "../pipeline/request.ts";
import { parseLogprobFormat } from "./logprobs.ts";
import type { TextOperation } from "./operation.ts";
import { checkCombinations, maxTokensOf, type TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import { ResponseWriter } from "./response-writer.ts";

/** Largest request body: room for any prompt, and for the ten megabytes of base64 images that the contract allows. */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

/** A text endpoint plans the prompt, and a `ResponseWriter` generates and writes the response. */
export function textEndpoint<Body extends TextParameters>(operation: TextOperation<Body>): Endpoint<Body> {
  const { paths, operationId, summary, requestSchema, name, promptField } = operation;
  return {
    paths,
    operationId,
    summary,
    requestSchema,
    responseTypes: ["application/json", "text/event-stream"],
    name,
    kind: "text",
    bodyLimitBytes: BODY_LIMIT_BYTES,
    errorFields: {
      context_exceeded: promptField,
      invalid_prompt: promptField,
      invalid_bias: "logit_bias",
      invalid_prediction: "speculation",
    },
    parse(json, text) {
      const body = operation.parse(json);
      if (text !== undefined) rememberSchemaTexts(body, text);
      checkCombinations(body);
      parseLogprobFormat(body);
      return body;
    },
    dropUnsupported: operation.dropUnsupported,
    estimate: (body, bodySizeBytes) => ({
      n: (body.n ?? 1) * (operation.countPrompts?.(body) ?? 1),
      bodySizeBytes,
      maxTokens: maxTokensOf(body),
    }),
    labels: (body) => body.metadata ?? null,
    sessionKey: (body) => body.prompt_cache_key ?? body.user ?? undefined,
    promptPrefix: operation.promptPrefix,
    async serve(request) {
      const plan = await planPrompt(operation, request);
      if (plan.responseHeaders.length > 0) request.headers = [...request.headers, ...plan.responseHeaders];
      const writer = new ResponseWriter(operation.serializer, request, plan);
      const end = await writer.generate();
      request.record.setTokens(end.usage);
      if (end.aborted) request.cancel();
      else writer.complete(end.usage);
    },
  };
}

const REASONING_PARAMETERS = ["reasoning_effort", "thinking", "reasoning_history"] as const;

/**
 * Plans the prompt. For a lenient fallback model, parameters about reasoning that it refuses are dropped, and a header of the
 * response names them.
 */
async function planPrompt<Body extends TextParameters>(
  operation: TextOperation<Body>,
  request: InferenceRequest<Body>,
): Promise<PromptPlan> {
  const { body, replica, route } = request;
  const planRequest = {
    body,
    replica,
    chatTemplate: route.chatTemplate,
    accountId: request.record.accountId,
  };
  try {
    return await operation.planPrompt(planRequest);
  } catch (error) {
    const field = error instanceof AppError ? (error.param?.split(".")[0] ?? "") : "";
    if (!route.dropsUnsupported || !REASONING_PARAMETERS.some((name) => name === field)) throw error;
    request.nameDropped(REASONING_PARAMETERS.filter((name) => body[name] != null));
    for (const name of REASONING_PARAMETERS) delete body[name];
    return await operation.planPrompt(planRequest);
  }
}
