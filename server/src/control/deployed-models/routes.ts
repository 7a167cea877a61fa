import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { CreateQuery, DeployedModelBody, ListQuery, UpdateQuery } from "./schema.ts";
import type { DeployedModels } from "./service.ts";

const PATH = "/v1/accounts/{account_id}/deployedModels";
const ONE = `${PATH}/{deployed_model_id}`;

export function deployedModelRoutes(deployedModels: DeployedModels): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listDeployedModels",
      method: "GET",
      path: PATH,
      query: ListQuery,
      resource: DeployedModelBody,
      handle: ({ principal, params, query }) => deployedModels.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createDeployedModel",
      method: "POST",
      whenSuspended: "refuse",
      path: PATH,
      query: CreateQuery,
      body: DeployedModelBody,
      handle: ({ principal, params, query, body }) =>
        deployedModels.create(principal, params["account_id"]!, query, body),
    }),
    defineRoute({
      operationId: "getDeployedModel",
      method: "GET",
      path: ONE,
      resource: DeployedModelBody,
      handle: ({ principal, params }) =>
        deployedModels.get(principal, params["account_id"]!, params["deployed_model_id"]!),
    }),
    defineRoute({
      operationId: "updateDeployedModel",
      method: "PATCH",
      whenSuspended: "allow",
      path: ONE,
      query: UpdateQuery,
      body: DeployedModelBody,
      handle: ({ principal, params, query, body }) => {
        const [accountId, id] = [params["account_id"]!, params["deployed_model_id"]!];
        return deployedModels.update(principal, accountId, id, query.updateMask, body);
      },
    }),
    defineRoute({
      operationId: "deleteDeployedModel",
      method: "DELETE",
      whenSuspended: "allow",
      path: ONE,
      async handle({ principal, params }) {
        await deployedModels.delete(principal, params["account_id"]!, params["deployed_model_id"]!);
        return {};
      },
    }),
  ];
}
