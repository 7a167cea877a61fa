import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import {
  CreateModelRequest,
  CreateVersionQuery,
  DeployVersionRequest,
  DownloadEndpoint,
  GetUploadEndpointRequest,
  ImportModelRequest,
  ModelBody,
  PrepareModelRequest,
  UpdateModelQuery,
  ValidateModelConfigRequest,
  ValidateUploadQuery,
  VersionBody,
} from "./schema.ts";
import type { ModelsService } from "./service.ts";

const PATH = "/v1/accounts/{account_id}/models";
const ONE = `${PATH}/{model_id}`;

export function modelResourceRoutes(models: ModelsService): ResourceRoute[] {
  const id: IdOf = (params) => [params["account_id"]!, params["model_id"]!];
  return [
    defineRoute({
      operationId: "listModels",
      method: "GET",
      path: PATH,
      query: ListQuerySchema,
      resource: ModelBody,
      handle: ({ principal, params, query }) => models.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createModel",
      method: "POST",
      whenSuspended: "refuse",
      path: PATH,
      body: CreateModelRequest,
      handle: ({ principal, params, body }) => models.create(principal, params["account_id"]!, body),
    }),
    defineRoute({
      operationId: "getModel",
      method: "GET",
      path: ONE,
      resource: ModelBody,
      handle: ({ principal, params }) => models.get(principal, ...id(params)),
    }),
    defineRoute({
      operationId: "updateModel",
      method: "PATCH",
      whenSuspended: "allow",
      path: ONE,
      query: UpdateModelQuery,
      body: ModelBody,
      handle: ({ principal, params, query, body }) =>
        models.update(principal, ...id(params), body, query.updateMask),
    }),
    defineRoute({
      operationId: "deleteModel",
      method: "DELETE",
      whenSuspended: "allow",
      path: ONE,
      async handle({ principal, params }) {
        await models.delete(principal, ...id(params));
        return {};
      },
    }),
    ...fileRoutes(models, id),
    ...versionRoutes(models, id),
  ];
}

type IdOf = (params: Record<string, string>) => [string, string];

function fileRoutes(models: ModelsService, id: IdOf): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "getModelUploadEndpoint",
      method: "POST",
      whenSuspended: "refuse",
      path: `${ONE}:getUploadEndpoint`,
      body: GetUploadEndpointRequest,
      handle: ({ principal, params, body, origin }) =>
        models.uploadEndpoint(principal, ...id(params), body, origin),
    }),
    defineRoute({
      operationId: "validateModelUpload",
      method: "GET",
      changes: true,
      whenSuspended: "refuse",
      path: `${ONE}:validateUpload`,
      query: ValidateUploadQuery,
      handle: async ({ principal, params, query }) => ({
        warnings: await models.validateUpload(principal, ...id(params), query),
      }),
    }),
    defineRoute({
      operationId: "getModelDownloadEndpoint",
      method: "GET",
      path: `${ONE}:getDownloadEndpoint`,
      resource: DownloadEndpoint,
      handle: ({ principal, params, origin }) => models.downloadEndpoint(principal, ...id(params), origin),
    }),
    defineRoute({
      operationId: "prepareModel",
      method: "POST",
      whenSuspended: "refuse",
      path: `${ONE}:prepare`,
      body: PrepareModelRequest,
      async handle({ principal, params, body }) {
        await models.prepare(principal, ...id(params), body);
        return {};
      },
    }),
    defineRoute({
      operationId: "importModel",
      method: "POST",
      whenSuspended: "refuse",
      path: `${ONE}:import`,
      body: ImportModelRequest,
      handle: ({ principal, params, body }) => models.import(principal, ...id(params), body),
    }),
    defineRoute({
      operationId: "validateModelConfig",
      method: "POST",
      whenSuspended: "allow",
      path: "/v1/validateModelConfig",
      body: ValidateModelConfigRequest,
      async handle({ body }) {
        await models.validateConfig(body);
        return {};
      },
    }),
  ];
}

function versionRoutes(models: ModelsService, id: IdOf): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "createModelVersion",
      method: "POST",
      whenSuspended: "refuse",
      path: `${ONE}/versions`,
      query: CreateVersionQuery,
      body: VersionBody,
      handle: ({ principal, params, query }) =>
        models.createVersion(principal, ...id(params), query.versionId),
    }),
    defineRoute({
      operationId: "getModelVersionCount",
      method: "GET",
      path: `${ONE}/versions:count`,
      handle: async ({ principal, params }) => ({
        count: await models.countVersions(principal, ...id(params)),
      }),
    }),
    defineRoute({
      operationId: "deployModelVersion",
      method: "POST",
      whenSuspended: "refuse",
      path: `${ONE}/versions/{version_id}:deploy`,
      body: DeployVersionRequest,
      handle: ({ principal, params, body }) =>
        models.deployVersion(principal, ...id(params), params["version_id"]!, body),
    }),
  ];
}
