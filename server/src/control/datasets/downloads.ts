import { getReadableDataset, requireReady } from "./access.ts";
import { fileKey, sortedFiles } from "./files.ts";
import type { SignedUrlsResponse } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetOperationDeps, DatasetRequest } from "./types.ts";

const DOWNLOAD_URL_MS = 3_600_000;
const MAX_ANCESTORS = 20;

/**
 * URLs of a READY dataset's files, by file name.
 * @param request.lineage adds the files of the datasets that this one was derived from, as far as those still exist.
 * All names are `<dataset>/<file>` then.
 */
export async function downloadUrls(
  deps: DatasetOperationDeps,
  request: DatasetRequest & { lineage: boolean; origin: string },
): Promise<SignedUrlsResponse> {
  const { lineage, origin } = request;
  const row = await getReadableDataset(deps, request);
  requireReady(row);
  const urls: Record<string, string> = {};
  for (const dataset of lineage ? await withAncestors(deps, row) : [row]) {
    for (const [name, file] of sortedFiles(dataset)) {
      const options = { expiresInMs: DOWNLOAD_URL_MS, filename: name, origin };
      const url = await deps.blobs.downloadUrl(fileKey(dataset, file.blobId!), options);
      urls[lineage ? `${dataset.id}/${name}` : name] = url;
    }
  }
  return { filenameToSignedUrls: urls };
}

/** The dataset, then the one it was derived from, and so on; ends where a dataset is gone or not READY. */
async function withAncestors({ store }: DatasetOperationDeps, row: DatasetRow): Promise<DatasetRow[]> {
  const datasets = [row];
  while (datasets.length <= MAX_ANCESTORS) {
    const { sourceUid } = datasets.at(-1)!;
    const source = sourceUid === null ? null : await store.getByUid(sourceUid);
    if (source === null || source.state !== "READY") break;
    datasets.push(source);
  }
  return datasets;
}
