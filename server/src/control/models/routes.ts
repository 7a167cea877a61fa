import { ListQuerySchema } from "../../platform/db/listing.ts";
import { defineRoute, type ResourceRequest, type ResourceRoute } from "../../platform/http/resources.ts";
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
import type { ModelRequest, ModelsService } from "./types.ts";

const MODELS = "/v1/accounts/{account_id}/models";
const MODEL = `${MODELS}/{model_id}`;

export function modelResourceRoutes(models: ModelsService): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listModels",
      method: "GET",
      path: MODELS,
      query: ListQuerySchema,
      resource: ModelBody,
      handle: ({ principal, params, query }) => models.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createModel",
      method: "POST",
      whenSuspended: "refuse",
      path: MODELS,
      body: CreateModelRequest,
      handle: ({ principal, params, body }) => models.create(principal, params["account_id"]!, body),
    }),
    defineRoute({
      operationId: "getModel",
      method: "GET",
      path: MODEL,
      resource: ModelBody,
      handle: (call) => models.get(modelRequest(call)),
    }),
    defineRoute({
      operationId: "updateModel",
      method: "PATCH",
      whenSuspended: "allow",
      path: MODEL,
      query: UpdateModelQuery,
      body: ModelBody,
      handle: (call) =>
        models.update({ ...modelRequest(call), body: call.body, updateMask: call.query.updateMask }),
    }),
    defineRoute({
      operationId: "deleteModel",
      method: "DELETE",
      whenSuspended: "allow",
      path: MODEL,
      async handle(call) {
        await models.delete(modelRequest(call));
        return {};
      },
    }),
    defineRoute({
      operationId: "getModelUploadEndpoint",
      method: "POST",
      whenSuspended: "refuse",
      path: `${MODEL}:getUploadEndpoint`,
      body: GetUploadEndpointRequest,
      handle: (call) =>
        models.uploadEndpoint({ ...modelRequest(call), body: call.body, origin: call.origin }),
    }),
    defineRoute({
      operationId: "validateModelUpload",
      method: "GET",
      changes: true,
      whenSuspended: "refuse",
      path: `${MODEL}:validateUpload`,
      query: ValidateUploadQuery,
      handle: async (call) => ({
        warnings: await models.validateUpload({ ...modelRequest(call), query: call.query }),
      }),
    }),
    defineRoute({
      operationId: "getModelDownloadEndpoint",
      method: "GET",
      path: `${MODEL}:getDownloadEndpoint`,
      resource: DownloadEndpoint,
      handle: (call) => models.downloadEndpoint({ ...modelRequest(call), origin: call.origin }),
    }),
    defineRoute({
      operationId: "prepareModel",
      method: "POST",
      whenSuspended: "refuse",
      path: `${MODEL}:prepare`,
      body: PrepareModelRequest,
      async handle(call) {
        await models.prepare({ ...modelRequest(call), body: call.body });
        return {};
      },
    }),
    defineRoute({
      operationId: "importModel",
      method: "POST",
      whenSuspended: "refuse",
      path: `${MODEL}:import`,
      body: ImportModelRequest,
      handle: (call) => models.import({ ...modelRequest(call), body: call.body }),
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
    defineRoute({
      operationId: "createModelVersion",
      method: "POST",
      whenSuspended: "refuse",
      path: `${MODEL}/versions`,
      query: CreateVersionQuery,
      body: VersionBody,
      handle: (call) => models.createVersion({ ...modelRequest(call), versionId: call.query.versionId }),
    }),
    defineRoute({
      operationId: "getModelVersionCount",
      method: "GET",
      path: `${MODEL}/versions:count`,
      handle: async (call) => ({ count: await models.countVersions(modelRequest(call)) }),
    }),
    defineRoute({
      operationId: "deployModelVersion",
      method: "POST",
      whenSuspended: "refuse",
      path: `${MODEL}/versions/{version_id}:deploy`,
      body: DeployVersionRequest,
      handle: (call) =>
        models.deployVersion({
          ...modelRequest(call),
          versionId: call.params["version_id"]!,
          body: call.body,
        }),
    }),
  ];
}

function modelRequest({
  principal,
  params,
}: Pick<ResourceRequest<unknown, unknown>, "principal" | "params">): ModelRequest {
  return { principal, model: { accountId: params["account_id"]!, id: params["model_id"]! } };
}
