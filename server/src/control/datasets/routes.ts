import { defineRoute, defineUploadRoute, type ResourceRoute } from "../../platform/http/resources.ts";
import { MAX_FORM_FILE_BYTES } from "./files.ts";
import {
  CreateDatasetRequest,
  DatasetBody,
  DownloadEndpointQuery,
  GetUploadEndpointRequest,
  ListDatasetsQuery,
  SignedUrlsResponse,
  SplitDatasetRequest,
  UpdateDatasetQuery,
} from "./schema.ts";
import type { Datasets } from "./service.ts";

const DATASETS = "/v1/accounts/{account_id}/datasets";
const DATASET = `${DATASETS}/{dataset_id}`;

export function datasetRoutes(datasets: Datasets): ResourceRoute[] {
  return [...resourceRoutes(datasets), ...fileRoutes(datasets)];
}

function resourceRoutes(datasets: Datasets): ResourceRoute[] {
  return [
    defineRoute({
      operationId: "listDatasets",
      method: "GET",
      path: DATASETS,
      query: ListDatasetsQuery,
      resource: DatasetBody,
      handle: ({ principal, params, query }) => datasets.list(principal, params["account_id"]!, query),
    }),
    defineRoute({
      operationId: "createDataset",
      method: "POST",
      whenSuspended: "refuse",
      path: DATASETS,
      body: CreateDatasetRequest,
      handle: ({ principal, params, body }) => datasets.create(principal, params["account_id"]!, body),
    }),
    defineRoute({
      operationId: "getDataset",
      method: "GET",
      path: DATASET,
      resource: DatasetBody,
      handle: ({ principal, params }) =>
        datasets.get(principal, params["account_id"]!, params["dataset_id"]!),
    }),
    defineRoute({
      operationId: "updateDataset",
      method: "PATCH",
      whenSuspended: "allow",
      path: DATASET,
      query: UpdateDatasetQuery,
      body: DatasetBody,
      handle: ({ principal, params, query, body }) =>
        datasets.update(principal, params["account_id"]!, params["dataset_id"]!, body, query.updateMask),
    }),
    defineRoute({
      operationId: "deleteDataset",
      method: "DELETE",
      whenSuspended: "allow",
      path: DATASET,
      async handle({ principal, params }) {
        await datasets.delete(principal, params["account_id"]!, params["dataset_id"]!);
        return {};
      },
    }),
    defineRoute({
      operationId: "splitDataset",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:splitDataset`,
      body: SplitDatasetRequest,
      handle: ({ principal, params, body }) =>
        datasets.split(principal, params["account_id"]!, params["dataset_id"]!, body),
    }),
  ];
}

function fileRoutes(datasets: Datasets): ResourceRoute[] {
  return [
    defineUploadRoute({
      operationId: "uploadDatasetFile",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:upload`,
      upload: { maxBytes: MAX_FORM_FILE_BYTES },
      handle: ({ principal, params, body }) =>
        datasets.upload(principal, params["account_id"]!, params["dataset_id"]!, () => body.file()),
    }),
    defineRoute({
      operationId: "getDatasetUploadEndpoint",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:getUploadEndpoint`,
      body: GetUploadEndpointRequest,
      handle: ({ principal, params, body, origin }) =>
        datasets.uploadUrls(principal, params["account_id"]!, params["dataset_id"]!, body, origin),
    }),
    defineRoute({
      operationId: "validateDatasetUpload",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:validateUpload`,
      async handle({ principal, params }) {
        await datasets.validateUpload(principal, params["account_id"]!, params["dataset_id"]!);
        return {};
      },
    }),
    defineRoute({
      operationId: "getDatasetDownloadEndpoint",
      method: "GET",
      path: `${DATASET}:getDownloadEndpoint`,
      query: DownloadEndpointQuery,
      resource: SignedUrlsResponse,
      handle: ({ principal, params, query, origin }) =>
        datasets.downloadUrls(
          principal,
          params["account_id"]!,
          params["dataset_id"]!,
          query.downloadLineage === true,
          origin,
        ),
    }),
  ];
}
