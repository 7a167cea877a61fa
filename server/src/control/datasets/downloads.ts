import { AppError } from "../../lib/errors.ts";
import type { Principal } from "../accounts/service.ts";
import { type DatasetsDeps, getAuthorizedDataset } from "./access.ts";
import { fileKey, sortedFiles } from "./files.ts";
import { datasetTitle } from "./names.ts";
import type { SignedUrlsResponse } from "./schema.ts";
import type { DatasetRow } from "./store.ts";

const DOWNLOAD_URL_MS = 3_600_000;
/** How far back the files of a dataset's ancestors are given out. */
const MAX_ANCESTORS = 20;

/**
 * URLs of a READY dataset's files.
 * @param lineage also those of the datasets it was made of, as far as they are there; all named `<dataset>/<file>`.
 */
export async function downloadUrls(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  lineage: boolean,
  origin: string,
): Promise<SignedUrlsResponse> {
  const row = await getAuthorizedDataset(context, principal, accountId, id, "read");
  if (row.state !== "READY") {
    throw new AppError("FAILED_PRECONDITION", `${datasetTitle(accountId, id)} is not READY.`);
  }
  const urls: Record<string, string> = {};
  for (const source of lineage ? await withAncestors(context, row) : [row]) {
    for (const [name, file] of sortedFiles(source)) {
      const options = { expiresInMs: DOWNLOAD_URL_MS, filename: name, origin };
      const url = await context.blobs.downloadUrl(fileKey(source, file.blobId!), options);
      urls[lineage ? `${source.id}/${name}` : name] = url;
    }
  }
  return { filenameToSignedUrls: urls };
}

async function withAncestors({ store }: DatasetsDeps, row: DatasetRow): Promise<DatasetRow[]> {
  const line = [row];
  while (line.length <= MAX_ANCESTORS) {
    const { sourceUid } = line.at(-1)!;
    const source = sourceUid === null ? null : await store.getByUid(sourceUid);
    if (source === null || source.state !== "READY") break;
    line.push(source);
  }
  return line;
}
