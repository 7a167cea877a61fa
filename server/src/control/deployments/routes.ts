import { Type } from "typebox";
import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import {
  CreateQuery,
  DeleteQuery,
  DeploymentBody,
  ListQuery,
  MetricsQuery,
  ScaleBody,
  ShardBody,
  UpdateQuery,
} from "./schema.ts";
import type { Deployments } from "./service.ts";

const PATH = "/v1/accounts/{account_id}/deployments";
const ONE = `${PATH}/{deployment_id}`;

export function deploymentRoutes(deployments: Deployments): ResourceRoute[] {
  return [...resourceRoutes(deployments), ...verbRoutes(deployments), ...detailRoutes(deployments)];
}

function resourceRoutes(deployments: Deployments): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listDeployments",
      method: "GET",
      path: PATH,
      query: ListQuery,
      resource: DeploymentBody,
      handle: ({ principal, params, query, origin }) =>
        deployments.list(principal, params["account_id"]!, query, origin),
    }),
    defineRoute({
      operationId: "createDeployment",
      method: "POST",
      whenSuspended: "refuse",
      path: PATH,
      query: CreateQuery,
      body: DeploymentBody,
      handle: ({ principal, params, query, body, origin }) =>
        deployments.create(principal, params["account_id"]!, query, body, origin),
    }),
    defineRoute({
      operationId: "getDeployment",
      method: "GET",
      path: ONE,
      resource: DeploymentBody,
      handle: ({ principal, params, origin }) =>
        deployments.get(principal, params["account_id"]!, params["deployment_id"]!, origin),
    }),
    defineRoute({
      operationId: "updateDeployment",
      method: "PATCH",
      whenSuspended: "allow",
      path: ONE,
      query: UpdateQuery,
      body: DeploymentBody,
      handle: ({ principal, params, query, body, origin }) =>
        deployments.update(principal, params["account_id"]!, params["deployment_id"]!, query, body, origin),
    }),
    defineRoute({
      operationId: "deleteDeployment",
      method: "DELETE",
      whenSuspended: "allow",
      path: ONE,
      query: DeleteQuery,
      async handle({ principal, params, query }) {
        await deployments.delete(principal, params["account_id"]!, params["deployment_id"]!, query);
        return {};
      },
    }),
  ];
}

function verbRoutes(deployments: Deployments): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "getDeploymentMetrics",
      method: "GET",
      path: `${ONE}:metrics`,
      query: MetricsQuery,
      resource: Type.Object({ metrics: Type.Record(Type.String(), Type.Number()) }),
      handle: ({ principal, params, query }) =>
        deployments.metrics(principal, params["account_id"]!, params["deployment_id"]!, query.timeRange),
    }),
    defineRoute({
      operationId: "scaleDeployment",
      method: "PATCH",
      whenSuspended: "allow",
      path: `${ONE}:scale`,
      body: ScaleBody,
      async handle({ principal, params, body }) {
        await deployments.scale(principal, params["account_id"]!, params["deployment_id"]!, body);
        return {};
      },
    }),
    defineRoute({
      operationId: "undeleteDeployment",
      method: "POST",
      whenSuspended: "refuse",
      path: `${ONE}:undelete`,
      handle: ({ principal, params, origin }) =>
        deployments.undelete(principal, params["account_id"]!, params["deployment_id"]!, origin),
    }),
  ];
}

function detailRoutes(deployments: Deployments): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listDeploymentShards",
      method: "GET",
      path: `${ONE}/shards`,
      query: ListQuerySchema,
      resource: ShardBody,
      handle: ({ principal, params, query }) =>
        deployments.shards(principal, params["account_id"]!, params["deployment_id"]!, query),
    }),
    defineRoute({
      operationId: "getTerminationMessage",
      method: "GET",
      path: `${ONE}/terminationMessage`,
      handle: ({ principal, params }) =>
        deployments.terminationMessage(principal, params["account_id"]!, params["deployment_id"]!),
    }),
    defineRoute({
      operationId: "getLedger",
      method: "GET",
      path: `${ONE}/ledger`,
      handle: ({ principal, params }) =>
        deployments.ledger(principal, params["account_id"]!, params["deployment_id"]!),
    }),
    defineRoute({
      operationId: "resetLedger",
      method: "DELETE",
      whenSuspended: "allow",
      path: `${ONE}/ledger`,
      async handle({ principal, params }) {
        await deployments.resetLedger(principal, params["account_id"]!, params["deployment_id"]!);
        return {};
      },
    }),
    // Beyond the contract: what has happened, and when.
    defineRoute({
      operationId: "listDeploymentEvents",
      method: "GET",
      path: `${ONE}/events`,
      handle: ({ principal, params }) =>
        deployments.events(principal, params["account_id"]!, params["deployment_id"]!),
    }),
  ];
}
