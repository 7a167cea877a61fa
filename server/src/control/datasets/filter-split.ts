import { AppError, badRequest } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";
import { getReadableDataset, getWritableDataset, requireReady } from "./access.ts";
import { newDatasetRow, originFieldOf, parseFields, readyColumns } from "./fields.ts";
import { blobPrefix, fileKey, formatOf, newFileId, storedFile } from "./files.ts";
import { chunkSizes, type WrittenFile, writeChunks, writeFiltered } from "./filter-writer.ts";
import { type DatasetRef, datasetName, datasetTitle, parseDatasetReference } from "./names.ts";
import { compileRowFilter } from "./rows/row-filter.ts";
import type { CreateDatasetRequest, SplitDatasetRequest, SplitDatasetResponse } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetOperationDeps, DatasetRequest } from "./types.ts";
import { problemText } from "./upload-files.ts";

const MAX_ID_LENGTH = 63;

/** Creates a READY dataset of the rows of another dataset that pass a filter. */
export async function createFiltered(
  deps: DatasetOperationDeps,
  options: { principal: Principal; accountId: string; request: CreateDatasetRequest },
): Promise<DatasetRow> {
  const { principal, accountId } = options;
  const { datasetId, dataset, filter = "", sourceDatasetId = "" } = options.request;
  compileRowFilter(filter);
  const sourceId = parseDatasetReference("sourceDatasetId", sourceDatasetId, accountId);
  const source = await getReadableDataset(deps, { principal, dataset: { accountId, id: sourceId } });
  requireReady(source);
  const originField = originFieldOf(dataset);
  if (originField !== null) {
    throw badRequest(
      `dataset.${originField}`,
      `dataset.${originField}: the origin of a filtered dataset is transformed.`,
    );
  }
  const fields = parseFields(dataset, accountId, "dataset.");
  const row = newDatasetRow({
    ref: { accountId, id: datasetId },
    createdBy: principal.userId,
    nowMs: deps.clock.now(),
    fields,
    origin: { transformed: { sourceDatasetId: source.id, filter, originalFormat: source.format } },
    sourceUid: source.uid,
  });
  const blobId = newFileId();
  const [created] = await insertDatasets(deps, [row], async () => {
    const file = await deps.rowCheckPool.run((check) =>
      writeFiltered({
        blobs: deps.blobs,
        check,
        source,
        format: formatOf(fields) ?? formatOf(source),
        filter,
        key: fileKey(row, blobId),
      }),
    );
    const problem = problemText(file.report);
    if (problem !== null) throw badRequest("filter", problem);
    return [readyRow(row, blobId, file)];
  });
  return created!;
}

/**
 * Splits a READY dataset into READY datasets `<id>-chunk-<n>` of `chunkSize` rows each. Creates all of them or none.
 */
export async function splitDataset(
  deps: DatasetOperationDeps,
  request: DatasetRequest & { body: SplitDatasetRequest },
): Promise<SplitDatasetResponse> {
  const { accountId, id } = request.dataset;
  const { chunkSize = 0, parent } = request.body;
  const source = await getWritableDataset(deps, request);
  requireReady(source);
  if (parent !== undefined && parent !== "" && parent !== `accounts/${accountId}`) {
    throw badRequest("parent", "parent must be the account of the dataset.");
  }
  const sizes = chunkSizes(source.exampleCount, chunkSize);
  const chunks = sizes.map((_, i) =>
    newDatasetRow({
      ref: { accountId, id: chunkId(id, i + 1) },
      createdBy: request.principal.userId,
      nowMs: deps.clock.now(),
      fields: {
        displayName: "",
        format: source.format,
        exampleCount: source.exampleCount,
        sourceJobName: source.sourceJobName,
      },
      origin: { splitted: { sourceDatasetId: id } },
      sourceUid: source.uid,
    }),
  );
  const blobIds = chunks.map(newFileId);
  await insertDatasets(deps, chunks, async () => {
    const files = await deps.rowCheckPool.run((check) =>
      writeChunks({
        blobs: deps.blobs,
        check,
        source,
        sizes,
        keyOf: (index) => fileKey(chunks[index]!, blobIds[index]!),
      }),
    );
    return chunks.map((chunk, i) => readyRow(chunk, blobIds[i]!, files[i]!));
  });
  return {
    chunkDatasetNames: chunks.map(datasetName),
    chunksCreated: chunks.length,
    totalExamples: String(source.exampleCount),
  };
}

/** Cuts the dataset's id where the chunk's id would be too long. */
function chunkId(datasetId: string, number: number): string {
  const suffix = `-chunk-${number}`;
  return datasetId.slice(0, MAX_ID_LENGTH - suffix.length).replace(/-+$/, "") + suffix;
}

function readyRow(row: DatasetRow, blobId: string, { sizeBytes, report }: WrittenFile): DatasetRow {
  return { ...row, ...readyColumns(report), files: { [`${row.id}.jsonl`]: storedFile(blobId, sizeBytes) } };
}

/**
 * Inserts new datasets after `writeFiles` has written their files. The datasets count as garbage until they are
 * inserted, so that the garbage collector removes the files of a process that crashed in between.
 * @throws AppError ALREADY_EXISTS.
 */
async function insertDatasets(
  { store, blobs, clock }: DatasetOperationDeps,
  rows: readonly DatasetRow[],
  writeFiles: () => Promise<DatasetRow[]>,
): Promise<DatasetRow[]> {
  const [{ accountId }] = rows as [DatasetRow];
  const [takenId] = await store.taken(
    accountId,
    rows.map(({ id }) => id),
  );
  if (takenId !== undefined) throw alreadyExists({ accountId, id: takenId });
  const since = new Date(clock.now());
  await store.addGarbage(rows.map(({ uid }) => ({ uid, accountId, since })));
  try {
    const readyRows = await writeFiles();
    if (!(await store.insert(readyRows))) throw alreadyExists(rows[0]!);
    return readyRows;
  } catch (error) {
    for (const row of rows) await blobs.deletePrefix(blobPrefix(row));
    await store.deleteGarbage(rows.map(({ uid }) => uid));
    throw error;
  }
}

export function alreadyExists(ref: DatasetRef): AppError {
  return new AppError("ALREADY_EXISTS", `${datasetTitle(ref)} already exists.`, { param: "datasetId" });
}
