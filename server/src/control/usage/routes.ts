import { defineRoute, FileResponse, type ResourceRoute } from "../../platform/http/resources.ts";
import { ExportQuery, Usage, UsageQuery } from "./schema.ts";
import type { UsageService } from "./service.ts";

const PATH = "/v1/accounts/{account_id}/usage";

export function usageRoutes(usage: UsageService): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "queryUsage",
      method: "GET",
      path: PATH,
      query: UsageQuery,
      resource: Usage,
      handle: ({ principal, params, query }) => usage.query(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "exportUsage",
      method: "GET",
      path: `${PATH}:export`,
      query: ExportQuery,
      async handle({ principal, params, query }) {
        const lines = await usage.export(principal, params["account_id"]!, query);
        return new FileResponse("usage.csv", "text/csv; charset=utf-8", lines);
      },
    }),
  ];
}
