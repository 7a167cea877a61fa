import type { FastifyInstance } from "fastify";
import type { ModelService } from "../../control/models/service.ts";
import { badRequest } from "../../lib/errors.ts";

/** GET models and one model, in OpenAI's shapes. A model's name holds slashes, so its route is greedy. */
export function modelRoutes(app: FastifyInstance, models: ModelService): void {
  for (const prefix of ["/inference/v1", "/v1"]) {
    app.get(`${prefix}/models`, async (request) => {
      const { page_size } = request.query as { page_size?: string };
      if (page_size !== undefined && !/^[1-9]\d{0,5}$/.test(page_size)) {
        throw badRequest("page_size", "page_size must be a whole number from 1 to 999999.");
      }
      return {
        object: "list",
        data: models.list().slice(0, page_size === undefined ? undefined : Number(page_size)),
      };
    });
    app.get(`${prefix}/models/*`, async (request) => models.get((request.params as { "*": string })["*"]));
  }
}
