import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { QuotaBody, UpdateQuotaQuery } from "./schema.ts";
import type { Quotas } from "./service.ts";

const QUOTAS = "/v1/accounts/{account_id}/quotas";
const QUOTA = `${QUOTAS}/{quota_id}`;

export function quotaRoutes(quotas: Quotas): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listQuotas",
      method: "GET",
      path: QUOTAS,
      query: ListQuerySchema,
      resource: QuotaBody,
      handle: ({ principal, params, query }) => quotas.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "getQuota",
      method: "GET",
      path: QUOTA,
      resource: QuotaBody,
      handle: ({ principal, params }) => quotas.get(principal, params["account_id"]!, params["quota_id"]!),
    }),
    defineRoute({
      operationId: "updateQuota",
      method: "PATCH",
      whenSuspended: "allow",
      path: QUOTA,
      query: UpdateQuotaQuery,
      body: QuotaBody,
      handle: ({ principal, params, query, body }) =>
        quotas.update(principal, params["account_id"]!, params["quota_id"]!, query, body),
    }),
  ];
}
