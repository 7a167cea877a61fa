import { type Config, ConfigError } from "../config.ts";
import type { Principal } from "../control/accounts/service.ts";
import type { Fleet } from "../fleet/service.ts";
import { chatCompletionRequest } from "../inference/chat/protocol.ts";
import { chatCompletionRoute } from "../inference/chat/routes.ts";
import { completionRequest } from "../inference/completions/protocol.ts";
import { completionRoute } from "../inference/completions/routes.ts";
import type { TextRouteDeps } from "../inference/text/routes.ts";
import type { TextServices } from "../inference/text/serve.ts";
import type { Clock } from "../lib/clock.ts";
import { createLimits, type LimitsStore, openLimitsStore } from "../metering/limits/service.ts";
import type { Database } from "../platform/db/database.ts";
import type { RouteDescription } from "../platform/http/openapi.ts";
import type { RawRoute } from "../platform/http/server.ts";
import type { Log } from "../platform/telemetry/log.ts";
import type { ControlPlane } from "./control.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** Describes the inference endpoints for the OpenAPI document. */
export const INFERENCE_DESCRIPTIONS: readonly RouteDescription[] = [
  {
    method: "POST",
    paths: ["/inference/v1/chat/completions", "/v1/chat/completions"],
    operationId: "createChatCompletion",
    summary: "Chat completion",
    request: chatCompletionRequest,
    responseTypes: ["application/json", "text/event-stream"],
  },
  {
    method: "POST",
    paths: ["/inference/v1/completions", "/v1/completions"],
    operationId: "createCompletion",
    summary: "Text completion",
    request: completionRequest,
    responseTypes: ["application/json", "text/event-stream"],
  },
  {
    method: "GET",
    paths: ["/inference/v1/models", "/v1/models"],
    operationId: "listInferenceModels",
    summary: "List callable models",
  },
  {
    method: "GET",
    paths: ["/inference/v1/models/{model}", "/v1/models/{model}"],
    operationId: "getInferenceModel",
    summary: "Get one callable model; the name's slashes stand as they are",
  },
];

/** The routes that generate text; they are served without the framework. */
export function rawInferenceRoutes(deps: TextRouteDeps): RawRoute<Principal>[] {
  return [chatCompletionRoute(deps), completionRoute(deps)];
}

interface TextServicesDeps {
  lifecycle: Lifecycle;
  config: Config;
  clock: Clock;
  log: Log;
  database: Database;
  fleet: Fleet;
  control: ControlPlane;
}

/** Connects the text endpoints to routing, the fleet, rate limits and billing. */
export async function createTextServices(deps: TextServicesDeps): Promise<TextServices> {
  const { lifecycle, config, clock, log, database, fleet, control } = deps;
  const { orchestrator, quotas, billing } = control;
  const limits = lifecycle.add(
    await createLimits({
      clock,
      peerSync: { store: await openConfiguredLimitsStore(config, database, log), log },
      requestsPerMinute: config.requestsPerMinute,
      parametersOf: (model) => orchestrator.parametersOf(model),
      isOverloaded: (deployment) => fleet.isOverloaded(deployment),
    }),
  );
  quotas.onChange(() => limits.setRequestLimits(quotas.requestLimits()));
  return {
    resolve: (principal, name) => orchestrator.resolve(principal, name),
    route: (request, signal) => fleet.route(request, signal),
    admit(principal, route, estimate) {
      billing.check(principal.accountId);
      return limits.admit(principal, route, estimate);
    },
  };
}

/** @throws ConfigError when the configured Redis can't be used. */
async function openConfiguredLimitsStore(config: Config, database: Database, log: Log): Promise<LimitsStore> {
  try {
    return await openLimitsStore({ database, redisUrl: config.redisUrl, log });
  } catch (error) {
    throw new ConfigError("HEARTH_REDIS_URL", (error as Error).message);
  }
}
