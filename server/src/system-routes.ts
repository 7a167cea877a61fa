import type { FastifyInstance } from "fastify";
import type { Principal } from "./control/api-keys/service.ts";
import { openApiDocument } from "./openapi.ts";
import type { ResourceRoute } from "./platform/http/resources.ts";
import type { OperationDescription } from "./platform/http/server.ts";
import type { Metrics } from "./platform/telemetry/metrics.ts";

/** Routes about the server itself rather than a model. `isDraining`: the server takes its leave. */
export function systemRoutes(
  app: FastifyInstance,
  deps: {
    metrics: Metrics;
    isDraining: () => boolean;
    resources?: readonly ResourceRoute[];
    operations?: readonly OperationDescription[];
  },
): void {
  app.get("/health", { config: { open: "always" } }, async (_request, reply) => {
    if (deps.isDraining()) return reply.code(503).send({ status: "draining" });
    return { status: "ok" };
  });
  app.get("/metrics", { config: { open: "loopback" } }, async (_request, reply) =>
    reply.type(deps.metrics.contentType).send(await deps.metrics.text()),
  );
  const document = openApiDocument(deps.resources ?? [], deps.operations ?? []);
  app.get("/openapi.json", async () => document);
  app.get("/verifyApiKey", async (request, reply) => {
    const { accountId, userId } = (request as unknown as { principal: Principal }).principal;
    return reply.header("x-fireworks-account-id", accountId).header("x-fireworks-user-id", userId).send({});
  });
}
