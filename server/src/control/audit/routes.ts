import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { AuditEntry } from "./schema.ts";
import type { Audit } from "./service.ts";

/** Not part of the Fireworks API. */
export function auditRoutes(audit: Audit): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listAuditLogs",
      method: "GET",
      path: "/v1/accounts/{account_id}/auditLogs",
      query: ListQuerySchema,
      resource: AuditEntry,
      handle: ({ principal, params, query }) => audit.list(principal, params["account_id"]!, query),
    }),
  ];
}
