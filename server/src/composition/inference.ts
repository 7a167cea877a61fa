import { type Config, ConfigError } from "../config.ts";
import type { Principal } from "../control/accounts/service.ts";
import type { Fleet } from "../fleet/service.ts";
import { chatCompletionRoute } from "../inference/chat/routes.ts";
import { completionRoute } from "../inference/completions/routes.ts";
import type { InferenceDeps, InferenceServices } from "../inference/pipeline/pipeline.ts";
import type { Clock } from "../lib/clock.ts";
import { createLimits, type LimitsStore, openLimitsStore } from "../metering/limits/service.ts";
import type { Database } from "../platform/db/database.ts";
import type { RawRoute } from "../platform/http/server.ts";
import type { Log } from "../platform/telemetry/log.ts";
import type { ControlPlane } from "./control.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** The routes of the endpoints that run a model; they are served without the framework. */
export function rawInferenceRoutes(deps: InferenceDeps): RawRoute<Principal>[] {
  return [chatCompletionRoute(deps), completionRoute(deps)];
}

interface InferenceServicesDeps {
  lifecycle: Lifecycle;
  config: Config;
  clock: Clock;
  log: Log;
  database: Database;
  fleet: Fleet;
  control: ControlPlane;
}

/** Connects the inference endpoints to routing, the fleet, rate limits and billing. */
export async function createInferenceServices(deps: InferenceServicesDeps): Promise<InferenceServices> {
  const { lifecycle, config, clock, log, database, fleet, control } = deps;
  const { orchestrator, quotas, billing } = control;
  const limits = lifecycle.add(
    await createLimits({
      clock,
      peerSync: { store: await openConfiguredLimitsStore(config, database, log), log },
      requestsPerMinute: config.requestsPerMinute,
      parameterCountOf: (model) => orchestrator.parameterCountOf(model),
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
