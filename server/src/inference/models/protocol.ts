import { badRequest } from "../../lib/errors.ts";
import type { RouteDescription } from "../../platform/http/openapi.ts";

/** GET models and GET one model, for the OpenAPI document. */
export const modelOperations: readonly RouteDescription[] = [
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

/** Most models in the list; null: all. @throws AppError BAD_REQUEST. */
export function parsePageSize({ page_size: text }: { page_size?: string }): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,5}$/.test(text)) {
    throw badRequest("page_size", "page_size must be a whole number from 1 to 999999.");
  }
  return Number(text);
}
