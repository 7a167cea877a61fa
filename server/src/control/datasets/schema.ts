import { type Static, Type } from "typebox";
import { ListQuerySchema } from "../../platform/db/listing.ts";
import { Status } from "../accounts/service.ts";
import { DATASET_FORMATS, DATASET_STATES } from "./table.ts";

const readOnly = { readOnly: true } as const;
const int64 = { format: "int64", pattern: "^\\d{1,19}$" } as const;

export const DatasetBody = Type.Object({
  averageTurnCount: Type.Optional(Type.Number(readOnly)),
  createTime: Type.Optional(Type.String(readOnly)),
  createdBy: Type.Optional(Type.String(readOnly)),
  displayName: Type.Optional(Type.String()),
  estimatedTokenCount: Type.Optional(Type.String({ ...int64, ...readOnly })),
  evalProtocol: Type.Optional(Type.Object({})),
  evaluationResult: Type.Optional(Type.Object({ evaluationJobId: Type.Optional(Type.String()) })),
  exampleCount: Type.Optional(Type.String(int64)),
  externalUrl: Type.Optional(Type.String()),
  format: Type.Optional(Type.Enum(DATASET_FORMATS)),
  name: Type.Optional(Type.String(readOnly)),
  sourceJobName: Type.Optional(Type.String()),
  splitted: Type.Optional(Type.Object({ sourceDatasetId: Type.Optional(Type.String()) })),
  state: Type.Optional(Type.Enum(DATASET_STATES, readOnly)),
  status: Type.Optional(Status),
  transformed: Type.Optional(
    Type.Object({
      filter: Type.Optional(Type.String()),
      originalFormat: Type.Optional(Type.Enum(DATASET_FORMATS)),
      sourceDatasetId: Type.Optional(Type.String()),
    }),
  ),
  updateTime: Type.Optional(Type.String(readOnly)),
  userUploaded: Type.Optional(Type.Object({})),
});
export type DatasetBody = Static<typeof DatasetBody>;

export const CreateDatasetRequest = Type.Object({
  dataset: DatasetBody,
  datasetId: Type.String(),
  filter: Type.Optional(Type.String()),
  sourceDatasetId: Type.Optional(Type.String()),
});
export type CreateDatasetRequest = Static<typeof CreateDatasetRequest>;

export const ListDatasetsQuery = ListQuerySchema;
export const UpdateDatasetQuery = Type.Object({ updateMask: Type.Optional(Type.String()) });

export const GetUploadEndpointRequest = Type.Object({
  filenameToSize: Type.Record(Type.String(), Type.String(int64)),
  readMask: Type.Optional(Type.String()),
});
export type GetUploadEndpointRequest = Static<typeof GetUploadEndpointRequest>;

export const DownloadEndpointQuery = Type.Object({ downloadLineage: Type.Optional(Type.Boolean()) });

/** The response of the upload and the download endpoint. */
export const SignedUrlsResponse = Type.Object({
  filenameToSignedUrls: Type.Record(Type.String(), Type.String()),
});
export type SignedUrlsResponse = Static<typeof SignedUrlsResponse>;

export const SplitDatasetRequest = Type.Object({
  chunkSize: Type.Optional(Type.Integer()),
  parent: Type.Optional(Type.String()),
});
export type SplitDatasetRequest = Static<typeof SplitDatasetRequest>;

export interface SplitDatasetResponse {
  chunkDatasetNames: string[];
  chunksCreated: number;
  /** A 64-bit integer as decimal text. */
  totalExamples: string;
}

/** A file object of the OpenAI API. */
export interface UploadedFile {
  id: string;
  object: "file";
  bytes: number;
  /** Seconds since the Unix epoch. */
  created_at: number;
  filename: string;
  purpose: "fine-tune";
}

/** A dataset in responses: all fields, but only the one origin that the dataset has. */
export interface Dataset extends Omit<Required<DatasetBody>, OriginField>, Pick<DatasetBody, OriginField> {}
export type OriginField = "userUploaded" | "evalProtocol" | "evaluationResult" | "transformed" | "splitted";
