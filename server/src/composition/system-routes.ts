import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Principal } from "../control/accounts/service.ts";
import { openApiDocument, type RouteDescription } from "../platform/http/openapi.ts";
import type { ResourceRoute } from "../platform/http/resources.ts";
import type { Metrics } from "../platform/telemetry/metrics.ts";

interface SystemRoute extends RouteDescription {
  open?: FastifyContextConfig["open"];
  handle(request: FastifyRequest, reply: FastifyReply): Promise<object>;
}

export interface SystemRoutesDeps {
  metrics: Metrics;
  /** True once the server has begun to close: /health then answers 503. */
  isDraining(): boolean;
  /** All other routes of the server, for /openapi.json. */
  described: readonly (ResourceRoute | RouteDescription)[];
}

/** Registers the routes about the server itself: health, metrics, the OpenAPI document, the check of a key. */
export function registerSystemRoutes(app: FastifyInstance, deps: SystemRoutesDeps): void {
  const routes: SystemRoute[] = [
    {
      method: "GET",
      paths: ["/verifyApiKey"],
      operationId: "verifyApiKey",
      summary: "Check a key",
      async handle(request, reply) {
        const { accountId, userId } = (request as unknown as { principal: Principal }).principal;
        return reply
          .header("x-fireworks-account-id", accountId)
          .header("x-fireworks-user-id", userId)
          .send({});
      },
    },
    {
      method: "GET",
      paths: ["/health"],
      operationId: "getHealth",
      summary: "Is the server up",
      isPublic: true,
      open: "always",
      async handle(_request, reply) {
        if (deps.isDraining()) return reply.code(503).send({ status: "draining" });
        return { status: "ok" };
      },
    },
    {
      method: "GET",
      paths: ["/metrics"],
      operationId: "getMetrics",
      summary: "Prometheus metrics; without a key from this machine alone",
      responseTypes: ["text/plain"],
      open: "loopback",
      handle: async (_request, reply) => reply.type(deps.metrics.contentType).send(await deps.metrics.text()),
    },
  ];
  for (const { method, paths, open, handle } of routes) {
    for (const url of paths) app.route({ method, url, config: open ? { open } : {}, handler: handle });
  }
  const documentRoute: RouteDescription = {
    method: "GET",
    paths: ["/openapi.json"],
    operationId: "getOpenApi",
    summary: "This description",
  };
  const document = openApiDocument([...deps.described, ...routes, documentRoute]);
  app.get("/openapi.json", async () => document);
}
