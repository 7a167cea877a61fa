import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import {
  CreateShapeQuery,
  GetShapeQuery,
  ListShapesQuery,
  ShapeBody,
  UpdateShapeQuery,
  UpdateVersionQuery,
  VersionBody,
} from "./schema.ts";
import type { DeploymentShapes } from "./service.ts";

const SHAPES = "/v1/accounts/{account_id}/deploymentShapes";
const SHAPE = `${SHAPES}/{deployment_shape_id}`;
const VERSIONS = `${SHAPE}/versions`;
const VERSION = `${VERSIONS}/{version_id}`;

export function deploymentShapeRoutes(shapes: DeploymentShapes): ResourceRoute[] {
  return [...shapeRoutes(shapes), ...versionRoutes(shapes)];
}

function shapeRoutes(shapes: DeploymentShapes): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listDeploymentShapes",
      method: "GET",
      path: SHAPES,
      query: ListShapesQuery,
      resource: ShapeBody,
      handle: ({ principal, params, query }) => shapes.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createDeploymentShape",
      method: "POST",
      whenSuspended: "allow",
      path: SHAPES,
      query: CreateShapeQuery,
      body: ShapeBody,
      handle: ({ principal, params, query, body }) =>
        shapes.create(principal, params["account_id"]!, query.deploymentShapeId, body),
    }),
    defineRoute({
      operationId: "getDeploymentShape",
      method: "GET",
      path: SHAPE,
      query: GetShapeQuery,
      resource: ShapeBody,
      handle: ({ principal, params, query }) =>
        shapes.get(principal, ...shapeOf(params), query.skipShapeValidation ?? false),
    }),
    defineRoute({
      operationId: "updateDeploymentShape",
      method: "PATCH",
      whenSuspended: "allow",
      path: SHAPE,
      query: UpdateShapeQuery,
      body: ShapeBody,
      handle: ({ principal, params, query, body }) =>
        shapes.update(principal, ...shapeOf(params), body, query),
    }),
    defineRoute({
      operationId: "deleteDeploymentShape",
      method: "DELETE",
      whenSuspended: "allow",
      path: SHAPE,
      async handle({ principal, params }) {
        await shapes.delete(principal, ...shapeOf(params));
        return {};
      },
    }),
  ];
}

function versionRoutes(shapes: DeploymentShapes): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listDeploymentShapeVersions",
      method: "GET",
      path: VERSIONS,
      wildcardParents: true,
      query: ListQuerySchema,
      resource: VersionBody,
      handle: ({ principal, params, query }) => shapes.listVersions(principal, ...shapeOf(params), query),
    }),
    defineRoute({
      operationId: "getDeploymentShapeVersion",
      method: "GET",
      path: VERSION,
      resource: VersionBody,
      handle: ({ principal, params }) =>
        shapes.getVersion(principal, ...shapeOf(params), params["version_id"]!),
    }),
    defineRoute({
      operationId: "updateDeploymentShapeVersion",
      method: "PATCH",
      whenSuspended: "allow",
      path: VERSION,
      query: UpdateVersionQuery,
      body: VersionBody,
      handle: ({ principal, params, query, body }) =>
        shapes.updateVersion(principal, ...shapeOf(params), params["version_id"]!, body, query.updateMask),
    }),
  ];
}

function shapeOf(params: Record<string, string>): [accountId: string, id: string] {
  return [params["account_id"]!, params["deployment_shape_id"]!];
}
