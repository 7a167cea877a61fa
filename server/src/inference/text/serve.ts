import type { Principal } from "../../control/api-keys/service.ts";
import { EngineError } from "../../engine/errors.ts";
import type { PromptPrefix, ReplicaLease, RouteRequest } from "../../fleet/service.ts";
import { type AppError, toAppError } from "../../lib/errors.ts";
import type { Admission, RequestEstimate } from "../../metering/limits/service.ts";
import type { ModelRoute } from "../../orchestration/service.ts";
import { toPublicError } from "./engine-errors.ts";
import { checkCombinations, maxTokensOf, type TextParameters } from "./parameters.ts";
import type { PromptPlan } from "./prompt-plan.ts";
import type { RequestRecord } from "./record.ts";
import type { ResponseSerializer } from "./response-serializer.ts";
import { ResponseWriter } from "./response-writer.ts";

/** Where a reply goes. The HTTP layer's HttpExchange fits; nothing here knows HTTP. */
export interface ResponseTarget {
  readonly id: string;
  readonly signal: AbortSignal;
  /** A header of the request, by its name in lower case. */
  header(name: string): string | undefined;
  json(body: string, headers: readonly string[]): void;
  fail(error: AppError): void;
  openStream(headers: readonly string[]): ResponseStream;
}

export interface ResponseStream {
  send(data: string): void;
  readonly congested: boolean;
  drained(): Promise<void>;
  end(): void;
  /** An error event, then the end. */
  fail(error: AppError): void;
}

/** A text endpoint: how its body becomes engine input and how its replies look. */
export interface TextEndpoint<Body extends TextParameters> {
  /** Name in the usage ledger. */
  name: string;
  /** The field an over-long prompt is blamed on. */
  promptField: string;
  /** @throws AppError BAD_REQUEST naming the field. */
  parse(body: unknown): Body;
  /** Prompts of a batch. Absent: always one. */
  countPrompts?(body: Body): number;
  /** The start of the prompt, as far as requests that share it look alike here. */
  promptPrefix(body: Body): PromptPrefix;
  /**
   * @param chatTemplate takes the place of the engine's; null: there is none.
   * @throws AppError BAD_REQUEST naming the field.
   */
  planPrompt(body: Body, engine: ReplicaLease, chatTemplate: string | null): Promise<PromptPlan>;
  serializer: ResponseSerializer;
}

export interface TextServices {
  /** Where requests for `name` go. @throws AppError NOT_FOUND, FAILED_PRECONDITION. */
  resolve(principal: Principal, name: string): ModelRoute;
  /** A ready replica; waits for a starting one. @throws AppError UNAVAILABLE, FAILED_PRECONDITION. */
  route(request: RouteRequest, signal: AbortSignal): Promise<ReplicaLease>;
  /** Lets a request in. @throws AppError RATE_LIMIT_EXCEEDED, PAYMENT_REQUIRED. */
  admit(principal: Principal, route: ModelRoute, ask: RequestEstimate): Admission;
}

/** Serves one request whose body has arrived. Never throws: every failure is answered and recorded. */
export async function serveText<Body extends TextParameters>(
  services: TextServices,
  endpoint: TextEndpoint<Body>,
  target: ResponseTarget,
  record: RequestRecord,
  rawBody: unknown,
): Promise<void> {
  try {
    const body = endpoint.parse(rawBody);
    checkCombinations(body);
    record.labels = body.metadata ?? null;
    const route = services.resolve(record.principal, body.model);
    record.setRoute(route);
    const admission = services.admit(record.principal, route, {
      n: (body.n ?? 1) * (endpoint.countPrompts?.(body) ?? 1),
      bodySizeBytes: Number(target.header("content-length") ?? 0),
      maxTokens: maxTokensOf(body),
    });
    try {
      await new ResponseWriter(services, endpoint, target, record, body, route, admission).run();
    } finally {
      admission.settle(record);
    }
  } catch (thrown) {
    failRequest(
      target,
      record,
      thrown instanceof EngineError ? toPublicError(thrown, endpoint.promptField) : thrown,
    );
  }
}

/** Answers and records a request that got no reply. */
export function failRequest(target: ResponseTarget, record: RequestRecord, thrown: unknown): void {
  if (target.signal.aborted) {
    record.finish("cancelled", 499, null, () => {});
    return;
  }
  const error = toAppError(thrown);
  record.finish(error.status < 500 ? "rejected" : "error", error.status, error, () => target.fail(error));
}
