import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog, testDatabase } from "../../test/harness/database.ts";
import type { Principal } from "../control/api-keys/service.ts";
import type { FakeEngine } from "../engine/fake-engine.ts";
import type { ReplicaLease, RouteRequest } from "../fleet/service.ts";
import { systemClock } from "../lib/clock.ts";
import { createLimits, type LimitsOptions } from "../metering/limits/service.ts";
import { createUsageLedger, type UsageLedger } from "../metering/usage/service.ts";
import type { ModelRoute } from "../orchestration/service.ts";
import { createHttpServer } from "../platform/http/server.ts";
import { createLog } from "../platform/telemetry/log.ts";
import { createMetrics } from "../platform/telemetry/metrics.ts";
import { chatCompletionRoute } from "./chat/routes.ts";
import { completionRoute } from "./completions/routes.ts";
import type { TextServices } from "./text/serve.ts";

export interface TestInference {
  /** For the requests of `test/harness/http.ts`. */
  target: { port: number; apiKey: string };
  ledger: UsageLedger;
  /** What the fleet was asked for, newest last. */
  routed: RouteRequest[];
  close(): Promise<void>;
}

/** The text endpoints over HTTP with the real ledger; only the engine is the test's own. */
export async function startInference(
  engine: () => FakeEngine,
  resolve: (name: string) => { name: string; fallbackUsed: boolean } & Partial<ModelRoute>,
  limitsOptions: Partial<LimitsOptions> = {},
): Promise<TestInference> {
  const folder = mkdtempSync(join(tmpdir(), "hearth-inference-"));
  const database = await testDatabase();
  const ledger = createUsageLedger({ database, clock: systemClock, log: silentLog, folder });
  const log = createLog("silent");
  const routed: RouteRequest[] = [];
  const limits = await createLimits({ clock: systemClock, ...limitsOptions });
  const services: TextServices = {
    resolve(_principal, name) {
      const { name: model, ...more } = resolve(name);
      const isolation = "account" as const;
      return { model, deployment: model, isolation, sessionAffinity: false, chatTemplate: null, ...more };
    },
    async route(request) {
      routed.push(request);
      return Object.assign(engine(), { replicaId: "replica-0" }) as unknown as ReplicaLease;
    },
    admit: limits.admit,
  };
  const deps = { clock: systemClock, log, metrics: createMetrics(), ledger, services };
  const server = await createHttpServer<Principal>({
    clock: systemClock,
    log,
    authenticate: () => ({ accountId: "local", keyId: "key", userId: "u", role: "admin", isOperator: true }),
    rawRoutes: [chatCompletionRoute(deps), completionRoute(deps)],
    register: () => {},
  });
  return {
    target: { port: await server.listen(0, "127.0.0.1"), apiKey: "k" },
    ledger,
    routed,
    async close() {
      await server.close(1000);
      await ledger.shutDown();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
