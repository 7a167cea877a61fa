import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, testDatabase } from "../../test/harness/database.ts";
import type { Principal } from "../control/api-keys/service.ts";
import type { FakeEngine } from "../engine/fake-engine.ts";
import type { ReplicaLease, RouteRequest } from "../fleet/service.ts";
import { systemClock } from "../lib/clock.ts";
import { createLimits, type Limits, type LimitsOptions } from "../metering/limits/service.ts";
import { createUsageLedger, type UsageLedger } from "../metering/usage/service.ts";
import type { ModelRoute } from "../orchestration/service.ts";
import { createHttpServer, type RawRoute } from "../platform/http/server.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { createMetrics } from "../platform/telemetry/metrics.ts";
import { chatCompletionRoute } from "./chat/routes.ts";
import { completionRoute } from "./completions/routes.ts";
import type { InferenceDeps, InferenceServices } from "./pipeline/pipeline.ts";

export interface TestInference {
  /** For the requests of `test/harness/http.ts`. */
  target: { port: number; apiKey: string };
  ledger: UsageLedger;
  limits: Limits;
  /** The requests for a replica, newest last. */
  routed: RouteRequest[];
  close(): Promise<void>;
}

export interface TestInferenceOptions {
  /** The engine of every replica; called for each request. */
  engine(): FakeEngine;
  /** The route of a model's name; absent fields get the defaults of a serverless model. */
  resolve(name: string): { name: string; fallbackUsed: boolean } & Partial<ModelRoute>;
  limits?: Partial<LimitsOptions>;
  /** Default: chat and text completions. */
  routes?(deps: InferenceDeps): RawRoute<Principal>[];
}

/** Serves inference endpoints over HTTP with the real ledger and limits, and a fake engine. */
export async function startInference(options: TestInferenceOptions): Promise<TestInference> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-inference-"));
  const database = await testDatabase();
  const ledger = createUsageLedger({ database, clock: systemClock, log: silentLog, folder });
  const log = createLog("silent");
  const routed: RouteRequest[] = [];
  const limits = await createLimits({ clock: systemClock, ...options.limits });
  const services: InferenceServices = {
    resolve(_principal, name) {
      const { name: model, ...overrides } = options.resolve(name);
      const isolation = "account" as const;
      return {
        model,
        deployment: model,
        isolation,
        sessionAffinity: false,
        chatTemplate: null,
        ...overrides,
      };
    },
    async route(request) {
      routed.push(request);
      return Object.assign(options.engine(), { replicaId: "replica-0" }) as unknown as ReplicaLease;
    },
    admit: limits.admit,
  };
  const deps = { clock: systemClock, log, metrics: createMetrics(), ledger, services };
  const server = await createHttpServer<Principal>({
    clock: systemClock,
    log,
    authenticate: () => ({ accountId: "local", keyId: "key", userId: "u", role: "admin", isOperator: true }),
    rawRoutes: options.routes?.(deps) ?? [chatCompletionRoute(deps), completionRoute(deps)],
    register: () => {},
  });
  return {
    target: { port: await server.listen(0, "127.0.0.1"), apiKey: "k" },
    ledger,
    limits,
    routed,
    async close() {
      await server.close(1000);
      await ledger.shutDown();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
