import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import type { Database } from "../../platform/db/database.ts";
import type { ListQuery } from "../../platform/db/listing.ts";
import type { Log } from "../../platform/telemetry/log.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import { type DatasetsDeps, getAuthorizedDataset, newRow, requireSameDataset } from "./access.ts";
import { downloadUrls } from "./downloads.ts";
import { blobPrefix } from "./files.ts";
import { alreadyExists, createFiltered, splitDataset } from "./filter-split.ts";
import { createGarbageCollector } from "./garbage-collector.ts";
import { datasetName, datasetTitle } from "./names.ts";
import { RowCheckPool } from "./rows/row-check-pool.ts";
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
import { type DatasetRow, datasetStore } from "./store.ts";
import { UploadValidator } from "./upload-validator.ts";
import { type FormFile, uploadFile, uploadUrls } from "./uploads.ts";
import { applyPatch, datasetView, parseFields, parseOrigin } from "./view.ts";

export type { Dataset } from "./schema.ts";

/** All but `list` throw NOT_FOUND for what is not there or another account's; what writes, FORBIDDEN by role. */
export interface Datasets {
  /**
   * An empty dataset in the state UPLOADING; with `sourceDatasetId` a READY one, of those rows that pass the filter.
   * @throws AppError BAD_REQUEST naming the field, ALREADY_EXISTS, FAILED_PRECONDITION when the source is not READY.
   */
  create(principal: Principal, accountId: string, request: CreateDatasetRequest): Promise<Dataset>;
  get(principal: Principal, accountId: string, id: string): Promise<Dataset>;
  list(
    principal: Principal,
    accountId: string,
    query: ListQuery,
  ): Promise<{ datasets: Dataset[]; nextPageToken: string; totalSize: number }>;
  /** @throws AppError BAD_REQUEST naming the field; FAILED_PRECONDITION for anything but displayName when READY. */
  update(
    principal: Principal,
    accountId: string,
    id: string,
    body: DatasetBody,
    updateMask: string | undefined,
  ): Promise<Dataset>;
  /** @throws AppError FAILED_PRECONDITION while a job needs it. */
  delete(principal: Principal, accountId: string, id: string): Promise<void>;
  /**
   * Takes a file of at most 150 MB, in place of one of the same name.
   * @param open gives the file, once it is wanted
   * @throws AppError BAD_REQUEST, PAYLOAD_TOO_LARGE, FAILED_PRECONDITION when READY.
   */
  upload(
    principal: Principal,
    accountId: string,
    id: string,
    open: () => Promise<FormFile>,
  ): Promise<UploadedFile>;
  /**
   * URLs that take files of these sizes.
   * @param origin what they begin with where they are ours
   * @throws AppError BAD_REQUEST, FAILED_PRECONDITION when READY.
   */
  uploadUrls(
    principal: Principal,
    accountId: string,
    id: string,
    request: GetUploadEndpointRequest,
    origin: string,
  ): Promise<SignedUrlsResponse>;
  /**
   * Has all rows checked and the dataset made READY, when it is not yet. Returns when that is done, or after 20 seconds:
   * asked again it waits on, and `status` tells the result.
   * @throws AppError BAD_REQUEST with the faults by file and line, FAILED_PRECONDITION while files are missing, ABORTED when
   * files change meanwhile.
   */
  validateUpload(principal: Principal, accountId: string, id: string): Promise<void>;
  /** @param lineage also the files of the datasets it was made of @throws AppError FAILED_PRECONDITION unless READY. */
  downloadUrls(
    principal: Principal,
    accountId: string,
    id: string,
    lineage: boolean,
    origin: string,
  ): Promise<SignedUrlsResponse>;
  /** @throws AppError BAD_REQUEST, ALREADY_EXISTS, FAILED_PRECONDITION unless READY. */
  split(
    principal: Principal,
    accountId: string,
    id: string,
    request: SplitDatasetRequest,
  ): Promise<SplitDatasetResponse>;
  /** Checks rows from here on, and removes the files of datasets that are gone, now and then. */
  start(): Promise<void>;
  /** Removes these files at once. */
  sweep(): Promise<void>;
  /** Ends checks that are running; they begin anew with the next start. */
  close(): Promise<void>;
}

export interface DatasetsServiceDeps {
  database: Pick<Database, "db" | "listen">;
  clock: Clock;
  log: Log;
  blobs: Blobs;
  /** Of page tokens. */
  tokenSecret: Buffer;
  users: {
    emailsOf(accountId: string, userIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  };
  /** The name of a job that needs the dataset, null when none does. Default: none ever does. */
  usedBy?: (name: string) => Promise<string | null>;
  /** Hears why files could not be removed; it is tried again. */
  onSweepFailure: (error: unknown) => void;
}

export function createDatasets(deps: DatasetsServiceDeps): Datasets {
  const { clock, blobs, users, usedBy = async () => null } = deps;
  const store = datasetStore(deps.database, deps.tokenSecret, () => clock.now());
  const checks = new RowCheckPool(clock);
  const context: DatasetsDeps = { store, clock, blobs, rowCheckPool: checks };
  const uploadChecks = new UploadValidator(context, deps);
  const sweeper = createGarbageCollector(context, deps.onSweepFailure);

  async function answer(accountId: string, rows: readonly DatasetRow[]): Promise<Dataset[]> {
    const emails = await users.emailsOf(
      accountId,
      rows.map(({ createdBy }) => createdBy),
    );
    return rows.map((row) => datasetView(row, emails.get(row.createdBy) ?? ""));
  }

  async function answerOne(row: DatasetRow): Promise<Dataset> {
    return (await answer(row.accountId, [row]))[0]!;
  }

  return {
    async create(principal, accountId, request) {
      authorize(principal, accountId, "write", `Account accounts/${accountId}`);
      checkNewId("datasetId", request.datasetId);
      if (request.sourceDatasetId)
        return answerOne(await createFiltered(context, principal, accountId, request));
      if (request.filter) throw badRequest("filter", "filter needs a sourceDatasetId to filter.");
      return answerOne(await createEmpty(context, principal, accountId, request));
    },
    get: async (principal, accountId, id) =>
      answerOne(await getAuthorizedDataset(context, principal, accountId, id, "read")),
    async list(principal, accountId, query) {
      authorize(principal, accountId, "read", `Account accounts/${accountId}`);
      const { rows, nextPageToken, totalSize } = await store.list(query, accountId);
      return { datasets: await answer(accountId, rows), nextPageToken, totalSize };
    },
    async update(principal, accountId, id, body, updateMask) {
      const seen = await getAuthorizedDataset(context, principal, accountId, id, "write");
      const changed = await store.change(accountId, id, (row) => {
        requireSameDataset(seen, row);
        return { ...row, ...applyPatch(row, body, updateMask), updateTime: new Date(clock.now()) };
      });
      requireSameDataset(seen, changed);
      return answerOne(changed);
    },
    async delete(principal, accountId, id) {
      const seen = await getAuthorizedDataset(context, principal, accountId, id, "write");
      const title = datasetTitle(accountId, id);
      const deleted = await store.delete(accountId, id, new Date(clock.now()), async (row) => {
        requireSameDataset(seen, row);
        const job = await usedBy(datasetName(accountId, id));
        if (job !== null) throw new AppError("FAILED_PRECONDITION", `${title} is in use by ${job}.`);
      });
      requireSameDataset(seen, deleted);
      await blobs.deletePrefix(blobPrefix(deleted));
    },
    upload: (principal, accountId, id, open) => uploadFile(context, principal, accountId, id, open),
    uploadUrls: (...request) => uploadUrls(context, ...request),
    validateUpload: (principal, accountId, id) => uploadChecks.validate(principal, accountId, id),
    downloadUrls: (...request) => downloadUrls(context, ...request),
    split: (principal, accountId, id, request) => splitDataset(context, principal, accountId, id, request),
    async start() {
      sweeper.start();
      await uploadChecks.start();
    },
    sweep: sweeper.sweep,
    async close() {
      sweeper.stop();
      await Promise.all([uploadChecks.close(), checks.close()]);
    },
  };
}

async function createEmpty(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  { datasetId, dataset }: CreateDatasetRequest,
): Promise<DatasetRow> {
  const { origin, sourceId } = parseOrigin(dataset, accountId);
  const source =
    sourceId === null ? null : await getAuthorizedDataset(context, principal, accountId, sourceId, "read");
  const row = newRow(context, principal, accountId, datasetId, {
    ...parseFields(dataset, accountId, "dataset."),
    origin,
    sourceUid: source?.uid ?? null,
  });
  if (!(await context.store.insert([row]))) throw alreadyExists(accountId, datasetId);
  return row;
}
