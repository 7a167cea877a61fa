import { AppError, badRequest } from "../../lib/errors.ts";
import { checkNewId } from "../../lib/resource-ids.ts";
import { authorize, type Principal } from "../accounts/service.ts";
import { getReadableDataset, getWritableDataset, requireSameDataset } from "./access.ts";
import { downloadUrls } from "./downloads.ts";
import { applyPatch, checkingColumns, newDatasetRow, parseFields, parseOrigin } from "./fields.ts";
import { blobPrefix } from "./files.ts";
import { alreadyExists, createFiltered, splitDataset } from "./filter-split.ts";
import { createGarbageCollector } from "./garbage-collector.ts";
import { datasetName, datasetTitle } from "./names.ts";
import { RowCheckPool } from "./rows/row-check-pool.ts";
import type { CreateDatasetRequest, Dataset } from "./schema.ts";
import { type DatasetRow, datasetStore } from "./store.ts";
import type { DatasetOperationDeps, Datasets, DatasetsServiceDeps } from "./types.ts";
import { UploadValidator } from "./upload-validator.ts";
import { uploadFile, uploadUrls } from "./uploads.ts";
import { datasetView } from "./view.ts";

export type { Dataset } from "./schema.ts";
export type { Datasets, DatasetsServiceDeps } from "./types.ts";

export function createDatasets(options: DatasetsServiceDeps): Datasets {
  const { clock, blobs, users, usedBy = async () => null } = options;
  const store = datasetStore(options.database, options.tokenSecret, () => clock.now());
  const rowCheckPool = new RowCheckPool(clock);
  const deps: DatasetOperationDeps = { store, clock, blobs, rowCheckPool };
  const uploadValidator = new UploadValidator({ ...deps, database: options.database, log: options.log });
  const garbageCollector = createGarbageCollector(deps, options.onSweepFailure);

  /** Renders datasets of one account. */
  async function viewList(accountId: string, rows: readonly DatasetRow[]): Promise<Dataset[]> {
    const emails = await users.emailsOf(
      accountId,
      rows.map(({ createdBy }) => createdBy),
    );
    return rows.map((row) => datasetView(row, emails.get(row.createdBy) ?? ""));
  }

  async function view(row: DatasetRow): Promise<Dataset> {
    return (await viewList(row.accountId, [row]))[0]!;
  }

  async function createEmpty(
    principal: Principal,
    accountId: string,
    { datasetId, dataset }: CreateDatasetRequest,
  ): Promise<DatasetRow> {
    const { origin, sourceId } = parseOrigin(dataset, accountId);
    const source =
      sourceId === null
        ? null
        : await getReadableDataset(deps, { principal, dataset: { accountId, id: sourceId } });
    const row = newDatasetRow({
      ref: { accountId, id: datasetId },
      createdBy: principal.userId,
      nowMs: clock.now(),
      fields: parseFields(dataset, accountId, "dataset."),
      origin,
      sourceUid: source?.uid ?? null,
    });
    if (!(await store.insert([row]))) throw alreadyExists(row);
    return row;
  }

  return {
    async create(principal, accountId, request) {
      authorize(principal, accountId, "write", `Account accounts/${accountId}`);
      checkNewId("datasetId", request.datasetId);
      if (request.sourceDatasetId) return view(await createFiltered(deps, { principal, accountId, request }));
      if (request.filter) throw badRequest("filter", "filter needs a sourceDatasetId to filter.");
      return view(await createEmpty(principal, accountId, request));
    },
    get: async (request) => view(await getReadableDataset(deps, request)),
    async list(principal, accountId, query) {
      authorize(principal, accountId, "read", `Account accounts/${accountId}`);
      const { rows, nextPageToken, totalSize } = await store.list(query, accountId);
      return { datasets: await viewList(accountId, rows), nextPageToken, totalSize };
    },
    async update(request) {
      const authorized = await getWritableDataset(deps, request);
      const changed = await store.change(request.dataset, (row) => {
        requireSameDataset(authorized, row);
        const fields = applyPatch(row, request.body, request.updateMask);
        const updateTime = new Date(clock.now());
        // The running check may have read the old fields.
        const check = row.checkId === null ? {} : checkingColumns();
        return { ...row, ...fields, ...check, updateTime };
      });
      requireSameDataset(authorized, changed);
      return view(changed);
    },
    async delete(request) {
      const authorized = await getWritableDataset(deps, request);
      const deleted = await store.delete(request.dataset, new Date(clock.now()), async (row) => {
        requireSameDataset(authorized, row);
        const job = await usedBy(datasetName(row));
        if (job === null) return;
        throw new AppError("FAILED_PRECONDITION", `${datasetTitle(row)} is in use by ${job}.`);
      });
      requireSameDataset(authorized, deleted);
      await blobs.deletePrefix(blobPrefix(deleted));
    },
    upload: (request) => uploadFile(deps, request),
    uploadUrls: (request) => uploadUrls(deps, request),
    validateUpload: (request) => uploadValidator.validate(request),
    downloadUrls: (request) => downloadUrls(deps, request),
    split: (request) => splitDataset(deps, request),
    async start() {
      garbageCollector.start();
      await uploadValidator.start();
    },
    sweep: garbageCollector.sweep,
    async close() {
      garbageCollector.stop();
      await Promise.all([uploadValidator.close(), rowCheckPool.close()]);
    },
  };
}
