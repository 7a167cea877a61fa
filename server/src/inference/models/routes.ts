import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Principal } from "../../control/api-keys/service.ts";
import type { ModelEntry } from "../../control/models/service.ts";
import { badRequest } from "../../lib/errors.ts";

/** What a principal may call. */
export interface CallableModels {
  /** By name. */
  callable(principal: Principal): ModelEntry[];
  /** One, by any of its names. @throws AppError NOT_FOUND with param `model`, FAILED_PRECONDITION. */
  describe(principal: Principal, name: string): ModelEntry;
}

/** GET models and one model, in OpenAI's shapes. A model's name holds slashes, so its route is greedy. */
export function modelRoutes(app: FastifyInstance, models: CallableModels): void {
  for (const prefix of ["/inference/v1", "/v1"]) {
    app.get(`${prefix}/models`, async (request) => {
      const { page_size } = request.query as { page_size?: string };
      if (page_size !== undefined && !/^[1-9]\d{0,5}$/.test(page_size)) {
        throw badRequest("page_size", "page_size must be a whole number from 1 to 999999.");
      }
      return {
        object: "list",
        data: models
          .callable(principalOf(request))
          .slice(0, page_size === undefined ? undefined : Number(page_size)),
      };
    });
    app.get(`${prefix}/models/*`, async (request) =>
      models.describe(principalOf(request), (request.params as { "*": string })["*"]),
    );
  }
}

function principalOf(request: FastifyRequest): Principal {
  return (request as unknown as { principal: Principal }).principal;
}
