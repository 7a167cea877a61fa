import { AppError, badRequest } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";
import { type DatasetsDeps, getAuthorizedDataset, newRow } from "./access.ts";
import { blobPrefix, fileKey, formatOf, newFileId, storedFile } from "./files.ts";
import { chunkSizes, type WrittenFile, writeChunks, writeFiltered } from "./filter-writer.ts";
import { datasetName, datasetTitle, referencedId } from "./names.ts";
import { compileRowFilter } from "./rows/row-filter.ts";
import type { CreateDatasetRequest, SplitDatasetRequest, SplitDatasetResponse } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import { problemText } from "./upload-files.ts";
import { originFieldOf, parseFields, readyColumns } from "./view.ts";

const MAX_ID_LENGTH = 63;

/** Makes a READY dataset of those rows of another that pass a filter. */
export async function createFiltered(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  { datasetId, dataset, filter = "", sourceDatasetId = "" }: CreateDatasetRequest,
): Promise<DatasetRow> {
  compileRowFilter(filter);
  const sourceId = referencedId("sourceDatasetId", sourceDatasetId, accountId);
  const source = await findReady(context, principal, accountId, sourceId);
  const marker = originFieldOf(dataset);
  if (marker !== null) {
    throw badRequest(
      `dataset.${marker}`,
      `dataset.${marker}: the origin of a filtered dataset is transformed.`,
    );
  }
  const given = parseFields(dataset, accountId, "dataset.");
  const transformed = { sourceDatasetId: source.id, filter, originalFormat: source.format };
  const row = newRow(context, principal, accountId, datasetId, {
    ...given,
    origin: { transformed },
    sourceUid: source.uid,
  });
  const blobId = newFileId();
  const [made] = await insertDatasets(context, [row], async () => {
    const file = await context.rowCheckPool.run((check) => {
      const options = {
        source,
        format: formatOf(given) ?? formatOf(source),
        filter,
        key: fileKey(row, blobId),
      };
      return writeFiltered(context.blobs, check, options);
    });
    const problem = problemText(file.report);
    if (problem !== null) throw badRequest("filter", problem);
    return [readyRow(row, blobId, file)];
  });
  return made!;
}

/** Cuts a READY dataset into READY datasets `<id>-chunk-<n>` of so many rows each, all or none. */
export async function splitDataset(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  { chunkSize = 0, parent }: SplitDatasetRequest,
): Promise<SplitDatasetResponse> {
  const source = await findReady(context, principal, accountId, id, "write");
  if (parent !== undefined && parent !== "" && parent !== `accounts/${accountId}`) {
    throw badRequest("parent", "parent must be the account of the dataset.");
  }
  const sizes = chunkSizes(source.exampleCount, chunkSize);
  const chunks = sizes.map((_, i) => {
    const { format, exampleCount, sourceJobName } = source;
    const chunkId = chunkIdOf(id, i + 1);
    return newRow(context, principal, accountId, chunkId, {
      displayName: "",
      ...{ format, exampleCount, sourceJobName },
      origin: { splitted: { sourceDatasetId: id } },
      sourceUid: source.uid,
    });
  });
  const blobIds = chunks.map(newFileId);
  await insertDatasets(context, chunks, async () => {
    const keyOf = (i: number): string => fileKey(chunks[i]!, blobIds[i]!);
    const files = await context.rowCheckPool.run((check) =>
      writeChunks(context.blobs, check, source, sizes, keyOf),
    );
    return chunks.map((chunk, i) => readyRow(chunk, blobIds[i]!, files[i]!));
  });
  return {
    chunkDatasetNames: chunks.map((chunk) => datasetName(accountId, chunk.id)),
    chunksCreated: chunks.length,
    totalExamples: String(source.exampleCount),
  };
}

/** An id that is too long loses its end. */
function chunkIdOf(id: string, number: number): string {
  const suffix = `-chunk-${number}`;
  return id.slice(0, MAX_ID_LENGTH - suffix.length).replace(/-+$/, "") + suffix;
}

async function findReady(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  right: "read" | "write" = "read",
): Promise<DatasetRow> {
  const row = await getAuthorizedDataset(context, principal, accountId, id, right);
  if (row.state === "READY") return row;
  throw new AppError("FAILED_PRECONDITION", `${datasetTitle(accountId, id)} is not READY.`);
}

function readyRow(row: DatasetRow, blobId: string, { sizeBytes, report }: WrittenFile): DatasetRow {
  return { ...row, ...readyColumns(report), files: { [`${row.id}.jsonl`]: storedFile(blobId, sizeBytes) } };
}

/** Stores new datasets once `write` has written their files. What a crash leaves is swept. @throws AppError ALREADY_EXISTS. */
async function insertDatasets(
  { store, blobs, clock }: DatasetsDeps,
  rows: readonly DatasetRow[],
  write: () => Promise<DatasetRow[]>,
): Promise<DatasetRow[]> {
  const [{ accountId }] = rows as [DatasetRow];
  const [taken] = await store.taken(
    accountId,
    rows.map(({ id }) => id),
  );
  if (taken !== undefined) throw alreadyExists(accountId, taken);
  const since = new Date(clock.now());
  await store.addGarbage(rows.map(({ uid }) => ({ uid, accountId, since })));
  try {
    const made = await write();
    if (!(await store.insert(made))) throw alreadyExists(accountId, rows[0]!.id);
    return made;
  } catch (error) {
    for (const row of rows) await blobs.deletePrefix(blobPrefix(row));
    await store.deleteGarbage(rows.map(({ uid }) => uid));
    throw error;
  }
}

export function alreadyExists(accountId: string, id: string): AppError {
  return new AppError("ALREADY_EXISTS", `${datasetTitle(accountId, id)} already exists.`, {
    param: "datasetId",
  });
}
