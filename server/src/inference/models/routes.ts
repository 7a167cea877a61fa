import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Principal } from "../../control/api-keys/service.ts";
import type { ModelEntry } from "../../control/models/service.ts";
import { parsePageSize } from "./protocol.ts";

/** The models that a principal may call. */
export interface CallableModels {
  /** Sorted by name. */
  callable(principal: Principal): ModelEntry[];
  /** @param name any name of the model. @throws AppError NOT_FOUND with param `model`, FAILED_PRECONDITION. */
  describe(principal: Principal, name: string): ModelEntry;
}

/**
 * GET models and GET one model, in OpenAI's shapes. A model's name holds slashes, so its route matches any path below.
 * These routes run no model, so they pass no inference pipeline and leave no row in the ledger.
 */
export function modelRoutes(app: FastifyInstance, models: CallableModels): void {
  for (const prefix of ["/inference/v1", "/v1"]) {
    app.get(`${prefix}/models`, async (request) => {
      const pageSize = parsePageSize(request.query as { page_size?: string });
      return { object: "list", data: models.callable(principalOf(request)).slice(0, pageSize ?? undefined) };
    });
    app.get(`${prefix}/models/*`, async (request) =>
      models.describe(principalOf(request), (request.params as { "*": string })["*"]),
    );
  }
}

function principalOf(request: FastifyRequest): Principal {
  return (request as unknown as { principal: Principal }).principal;
}
