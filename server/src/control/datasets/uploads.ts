import { AppError, badRequest } from "../../lib/errors.ts";
import { parseMask } from "../../lib/field-mask.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import type { Principal } from "../accounts/service.ts";
import { type DatasetsDeps, getAuthorizedDataset, requireSameDataset } from "./access.ts";
import {
  checkFileName,
  checkFileSize,
  fileKey,
  MAX_FORM_FILE_BYTES,
  newFileId,
  storedFile,
  uploadKey,
  withFiles,
} from "./files.ts";
import { UPLOAD_URL_MS } from "./garbage-collector.ts";
import { type GetUploadEndpointRequest, SignedUrlsResponse, type UploadedFile } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetFile } from "./table.ts";
import { immutableError } from "./view.ts";

export interface FormFile {
  filename: string;
  content: AsyncIterable<Uint8Array>;
}

/** Takes a file that comes in a form. A file of the same name is replaced. @param open called when it is wanted */
export async function uploadFile(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  open: () => Promise<FormFile>,
): Promise<UploadedFile> {
  const { blobs, clock } = context;
  const row = await getAuthorizedDataset(context, principal, accountId, id, "write");
  if (row.state === "READY") throw immutableError(row, "file");
  const { filename, content } = await open().catch(tooLarge);
  checkFileName("file", filename);
  withFiles("file", row, { [filename]: storedFile("", 0) });
  const blobId = newFileId();
  const key = fileKey(row, blobId);
  const { sizeBytes } = await blobs.write(key, content, { maxBytes: MAX_FORM_FILE_BYTES }).catch(tooLarge);
  try {
    await addFiles(context, row, "file", { [filename]: storedFile(blobId, sizeBytes) });
  } catch (error) {
    await blobs.delete(key);
    throw error;
  }
  return {
    id: `file-${blobId}`,
    object: "file",
    bytes: sizeBytes,
    created_at: Math.floor(clock.now() / 1000),
    filename,
    purpose: "fine-tune",
  };
}

function tooLarge(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== "PAYLOAD_TOO_LARGE") throw error;
  const message = `The file is larger than ${MAX_FORM_FILE_BYTES} bytes: use :getUploadEndpoint for large files.`;
  throw new AppError("PAYLOAD_TOO_LARGE", message, { param: "file" });
}

/** URLs that take the files of these sizes, bytes as decimal text. Files of the same names are replaced. */
export async function uploadUrls(
  context: DatasetsDeps,
  principal: Principal,
  accountId: string,
  id: string,
  { filenameToSize, readMask }: GetUploadEndpointRequest,
  origin: string,
): Promise<SignedUrlsResponse> {
  const row = await getAuthorizedDataset(context, principal, accountId, id, "write");
  if (row.state === "READY") throw immutableError(row, "filenameToSize");
  const names = Object.keys(filenameToSize);
  // The answer has a single field: there is nothing to choose.
  if (readMask) parseMask("readMask", readMask, SignedUrlsResponse);
  if (names.length === 0) throw badRequest("filenameToSize", "filenameToSize names no file.");
  const files: Record<string, DatasetFile> = {};
  for (const name of names) {
    checkFileName("filenameToSize", name);
    const sizeBytes = Number(filenameToSize[name]);
    checkFileSize(`filenameToSize.${sanitizeForMessage(name)}`, sizeBytes);
    files[name] = { sizeBytes, uploadId: newFileId(), blobId: null };
  }
  await addFiles(context, row, "filenameToSize", files);
  const urls = Object.entries(files).map(async ([name, { uploadId, sizeBytes }]) => {
    const options = { sizeBytes, expiresInMs: UPLOAD_URL_MS, resumable: false, origin };
    return [name, await context.blobs.uploadUrl(uploadKey(row, uploadId!), options)];
  });
  return { filenameToSignedUrls: Object.fromEntries(await Promise.all(urls)) };
}

/** @param seen the dataset as the request found it */
async function addFiles(
  { store, blobs, clock }: DatasetsDeps,
  seen: DatasetRow,
  field: string,
  files: Record<string, DatasetFile>,
): Promise<void> {
  let replaced: DatasetFile[] = [];
  const changed = await store.change(seen.accountId, seen.id, (row) => {
    requireSameDataset(seen, row);
    if (row.state === "READY") throw immutableError(row, field);
    replaced = Object.keys(files).flatMap((name) => row.files[name] ?? []);
    return { ...row, files: withFiles(field, row, files), updateTime: new Date(clock.now()) };
  });
  requireSameDataset(seen, changed);
  for (const { uploadId, blobId } of replaced) {
    if (uploadId !== null) await blobs.delete(uploadKey(seen, uploadId));
    if (blobId !== null) await blobs.delete(fileKey(seen, blobId));
  }
}
