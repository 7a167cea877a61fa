import {
  defineRoute,
  defineUploadRoute,
  type ResourceRequest,
  type ResourceRoute,
} from "../../platform/http/resources.ts";
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
import type { DatasetRequest, Datasets } from "./types.ts";

const DATASETS = "/v1/accounts/{account_id}/datasets";
const DATASET = `${DATASETS}/{dataset_id}`;

export function datasetRoutes(datasets: Datasets): ResourceRoute[] {
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
      handle: (call) => datasets.get(datasetRequest(call)),
    }),
    defineRoute({
      operationId: "updateDataset",
      method: "PATCH",
      whenSuspended: "allow",
      path: DATASET,
      query: UpdateDatasetQuery,
      body: DatasetBody,
      handle: (call) =>
        datasets.update({ ...datasetRequest(call), body: call.body, updateMask: call.query.updateMask }),
    }),
    defineRoute({
      operationId: "deleteDataset",
      method: "DELETE",
      whenSuspended: "allow",
      path: DATASET,
      async handle(call) {
        await datasets.delete(datasetRequest(call));
        return {};
      },
    }),
    defineRoute({
      operationId: "splitDataset",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:splitDataset`,
      body: SplitDatasetRequest,
      handle: (call) => datasets.split({ ...datasetRequest(call), body: call.body }),
    }),
    defineUploadRoute({
      operationId: "uploadDatasetFile",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:upload`,
      upload: { maxBytes: MAX_FORM_FILE_BYTES },
      handle: (call) => datasets.upload({ ...datasetRequest(call), open: () => call.body.file() }),
    }),
    defineRoute({
      operationId: "getDatasetUploadEndpoint",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:getUploadEndpoint`,
      body: GetUploadEndpointRequest,
      handle: (call) =>
        datasets.uploadUrls({ ...datasetRequest(call), body: call.body, origin: call.origin }),
    }),
    defineRoute({
      operationId: "validateDatasetUpload",
      method: "POST",
      whenSuspended: "refuse",
      path: `${DATASET}:validateUpload`,
      async handle(call) {
        await datasets.validateUpload(datasetRequest(call));
        return {};
      },
    }),
    defineRoute({
      operationId: "getDatasetDownloadEndpoint",
      method: "GET",
      path: `${DATASET}:getDownloadEndpoint`,
      query: DownloadEndpointQuery,
      resource: SignedUrlsResponse,
      handle: (call) =>
        datasets.downloadUrls({
          ...datasetRequest(call),
          lineage: call.query.downloadLineage === true,
          origin: call.origin,
        }),
    }),
  ];
}

function datasetRequest({
  principal,
  params,
}: Pick<ResourceRequest<unknown, unknown>, "principal" | "params">): DatasetRequest {
  return { principal, dataset: { accountId: params["account_id"]!, id: params["dataset_id"]! } };
}
