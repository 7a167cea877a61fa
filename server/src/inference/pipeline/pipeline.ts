import type { Principal } from "../../control/api-keys/service.ts";
import { EngineError } from "../../engine/errors.ts";
import type { ReplicaLease, RouteRequest } from "../../fleet/service.ts";
import { AppError, toAppError } from "../../lib/errors.ts";
import type { Admission, RequestEstimate } from "../../metering/limits/service.ts";
import type { ModelRoute } from "../../orchestration/service.ts";
import type { RawRoute } from "../../platform/http/server.ts";
import type { Endpoint, EndpointBody } from "./endpoint.ts";
import { toPublicError } from "./engine-errors.ts";
import { RequestRecord, type RequestRecordDeps } from "./record.ts";
import { fallbackHeaders, InferenceRequest, type ResponseTarget } from "./request.ts";

export interface InferenceServices {
  /** The route of requests for a model's name. @throws AppError NOT_FOUND, FAILED_PRECONDITION. */
  resolve(principal: Principal, name: string): ModelRoute;
  /** A ready replica; waits for a starting one. @throws AppError UNAVAILABLE, FAILED_PRECONDITION. */
  route(request: RouteRequest, signal: AbortSignal): Promise<ReplicaLease>;
  /** Lets a request in. @throws AppError RATE_LIMIT_EXCEEDED, PAYMENT_REQUIRED. */
  admit(principal: Principal, route: ModelRoute, estimate: RequestEstimate): Admission;
}

export interface InferenceDeps extends RequestRecordDeps {
  services: InferenceServices;
}

interface ReceivedRequest {
  target: ResponseTarget;
  record: RequestRecord;
  rawBody: unknown;
  /** The JSON text of the body; undefined when the endpoint read the body itself. */
  text: string | undefined;
}

/**
 * The route of an endpoint. Every request passes the same steps: record, parse, resolve, admit, route, serve, settle.
 * From the record on, the request leaves exactly one row in the ledger, also when a later step refuses it.
 */
export function endpointRoute<Body extends EndpointBody>(
  endpoint: Endpoint<Body>,
  deps: InferenceDeps,
): RawRoute<Principal> {
  const { services } = deps;
  const { paths, operationId, summary, requestSchema, responseTypes, bodyLimitBytes, errorFields } = endpoint;

  /** Serves a request whose body has arrived. Never throws: every failure is answered and recorded. */
  async function serve({ target, record, rawBody, text }: ReceivedRequest): Promise<void> {
    let request: InferenceRequest<Body> | null = null;
    let route: ModelRoute | null = null;
    try {
      const { body, dropped } = parse(record.principal, rawBody, text);
      record.labels = endpoint.labels?.(body) ?? null;
      route = services.resolve(record.principal, body.model);
      record.setRoute(route);
      const bodySizeBytes = Number(target.header("content-length") ?? 0);
      const admission = services.admit(record.principal, route, endpoint.estimate(body, bodySizeBytes));
      try {
        const replica = await services.route(
          {
            deployment: route.deployment,
            lora: route.lora,
            sessionKey: route.sessionAffinity ? sessionKey(target, record, body) : undefined,
            promptPrefix: endpoint.promptPrefix?.(body),
            priority: admission.isOverLimit ? "low" : undefined,
          },
          target.signal,
        );
        record.replica = replica.replicaId;
        request = new InferenceRequest({ target, record, body, route, admission, replica });
        request.nameDropped(dropped);
        await endpoint.serve(request);
      } finally {
        admission.settle(record);
      }
      if (!record.isFinished) throw new AppError("INTERNAL", "The endpoint gave no response.");
    } catch (thrown) {
      const error = ofFallback(
        thrown instanceof EngineError ? toPublicError(thrown, errorFields) : toAppError(thrown),
        route,
      );
      const stream = request?.stream ?? null;
      if (stream === null) {
        fail(target, record, error);
      } else {
        const outcome = target.signal.aborted ? "cancelled" : "error";
        record.finish(outcome, error.status, error, () => stream.fail(error));
      }
    }
  }

  /** Parses a body; one that is refused is parsed again without what a lenient fallback model may drop. */
  function parse(
    principal: Principal,
    rawBody: unknown,
    text: string | undefined,
  ): { body: Body; dropped: readonly string[] } {
    try {
      return { body: endpoint.parse(rawBody, text), dropped: NOTHING };
    } catch (error) {
      const rest = endpoint.dropUnsupported?.(rawBody) ?? null;
      if (rest === null) throw error;
      try {
        const body = endpoint.parse(rest.body);
        if (services.resolve(principal, body.model).dropsUnsupported) return { body, dropped: rest.dropped };
      } catch {
        // The first refusal tells more.
      }
      throw error;
    }
  }

  /** Begins with the account, because two accounts may give their sessions the same name. */
  function sessionKey(target: ResponseTarget, record: RequestRecord, body: Body): string | undefined {
    const session = target.header("x-session-affinity") ?? endpoint.sessionKey?.(body);
    return session === undefined ? undefined : `${record.accountId}\n${session}`;
  }

  return {
    paths,
    description: { method: "POST", paths, operationId, summary, request: requestSchema, responseTypes },
    handle(exchange) {
      const record = new RequestRecord(deps, exchange, endpoint);
      const onBody = (error: AppError | null, rawBody: unknown, text?: string): void => {
        if (error !== null) fail(exchange, record, error);
        else void serve({ target: exchange, record, rawBody, text });
      };
      if (endpoint.readBody === undefined) exchange.readJson(bodyLimitBytes, onBody);
      else endpoint.readBody(exchange, bodyLimitBytes, onBody);
    },
  };
}

const NOTHING: readonly string[] = [];

/** The error of a request; it says so when the fallback model has answered. */
function ofFallback(error: AppError, route: ModelRoute | null): AppError {
  if (route === null || !route.fallbackUsed) return error;
  const { code, param, retryAfterS } = error;
  return new AppError(code, `${error.message} (The fallback model ${route.model} answered.)`, {
    cause: error.cause ?? error,
    headers: [...error.headers, ...fallbackHeaders(route)],
    ...(param === null ? {} : { param }),
    ...(retryAfterS === null ? {} : { retryAfterS }),
  });
}

/** Answers and records a request before the first byte of a response was sent. */
function fail(target: ResponseTarget, record: RequestRecord, error: AppError): void {
  if (target.signal.aborted) {
    record.finish("cancelled", 499, null, () => {});
    return;
  }
  const outcome = error.status < 500 ? "rejected" : "error";
  record.finish(outcome, error.status, error, () => target.fail(error));
}
