import type { Clock } from "../../lib/clock.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import type { Principal } from "../accounts/service.ts";
import type { DatasetRef } from "./names.ts";
import type { RowCheckPool } from "./rows/row-check-pool.ts";
import type {
  CreateDatasetRequest,
  Dataset,
  DatasetBody,
  GetUploadEndpointRequest,
  SignedUrlsResponse,
  SplitDatasetRequest,
  SplitDatasetResponse,
  UploadedFile,
} from "./schema.ts";
import type { DatasetStore } from "./store.ts";

/** A request about one dataset, and the principal that makes it. */
export interface DatasetRequest {
  principal: Principal;
  dataset: DatasetRef;
}

/** A file in a multipart form. */
export interface FormFile {
  filename: string;
  content: AsyncIterable<Uint8Array>;
}

/**
 * All methods but `create` and `list` throw AppError NOT_FOUND for a dataset that does not exist or belongs to another
 * account. Methods that write throw FORBIDDEN when the principal's role does not allow it.
 */
export interface Datasets {
  /**
   * Creates a dataset without files, in the state UPLOADING. With `sourceDatasetId` it creates a READY dataset of the
   * source's rows that pass the filter.
   * @throws AppError BAD_REQUEST naming the field; ALREADY_EXISTS; FAILED_PRECONDITION when the source is not READY.
   */
  create(principal: Principal, accountId: string, request: CreateDatasetRequest): Promise<Dataset>;
  get(request: DatasetRequest): Promise<Dataset>;
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ datasets: Dataset[]; nextPageToken: string; totalSize: number }>;
  /** @throws AppError BAD_REQUEST naming the field; FAILED_PRECONDITION for anything but displayName when READY. */
  update(request: DatasetRequest & { body: DatasetBody; updateMask: string | undefined }): Promise<Dataset>;
  /** @throws AppError FAILED_PRECONDITION while a job needs the dataset. */
  delete(request: DatasetRequest): Promise<void>;
  /**
   * Stores a file of at most 150 MB and begins the check of the rows, which makes the dataset READY or leaves its error in
   * `status`. A file of the same name is replaced. While files that were declared for signed URLs are missing, no check
   * begins.
   * @param request.open reads the form; called only when the file will be accepted
   * @throws AppError BAD_REQUEST; PAYLOAD_TOO_LARGE; FAILED_PRECONDITION when READY.
   */
  upload(request: DatasetRequest & { open: () => Promise<FormFile> }): Promise<UploadedFile>;
  /**
   * Signed URLs that accept files of the given sizes.
   * @param request.origin start of the URLs when the platform itself stores the files
   * @throws AppError BAD_REQUEST; FAILED_PRECONDITION when READY.
   */
  uploadUrls(
    request: DatasetRequest & { body: GetUploadEndpointRequest; origin: string },
  ): Promise<SignedUrlsResponse>;
  /**
   * Checks all rows and makes the dataset READY; does nothing when it is READY. Returns after the check, or after 20
   * seconds while the check goes on: a repeated request waits again, and the dataset's `status` tells the result.
   * @throws AppError BAD_REQUEST with the faults by file and line; FAILED_PRECONDITION while files are missing; ABORTED
   * when files change during the check.
   */
  validateUpload(request: DatasetRequest): Promise<void>;
  /**
   * Signed URLs that serve the dataset's files.
   * @param request.lineage include the files of the datasets that this one was derived from
   * @throws AppError FAILED_PRECONDITION unless READY.
   */
  downloadUrls(request: DatasetRequest & { lineage: boolean; origin: string }): Promise<SignedUrlsResponse>;
  /** @throws AppError BAD_REQUEST; ALREADY_EXISTS; FAILED_PRECONDITION unless READY. */
  split(request: DatasetRequest & { body: SplitDatasetRequest }): Promise<SplitDatasetResponse>;
  /** Starts the background work: checks of rows, and the removal of deleted datasets' files. */
  start(): Promise<void>;
  /** Removes the files of deleted and unfinished datasets now; for tests. */
  sweep(): Promise<void>;
  /** Aborts running checks. They start again with the next process. */
  close(): Promise<void>;
}

export interface DatasetsServiceDeps {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: Log;
  blobs: Blobs;
  /** Signs page tokens. */
  tokenSecret: Buffer;
  users: {
    emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  };
  /** Name of a job that needs the dataset; null when no job does. Absent: no job ever does. */
  usedBy?: (name: string) => Promise<string | null>;
  /** Called with the reason when files could not be removed. The removal is retried. */
  onSweepFailure: (error: unknown) => void;
}

/** Parts that the operations on datasets share. */
export interface DatasetOperationDeps {
  store: DatasetStore;
  clock: Clock;
  blobs: Blobs;
  rowCheckPool: RowCheckPool;
}
