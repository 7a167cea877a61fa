import { AppError, badRequest } from "../../lib/errors.ts";
import { parseMask } from "../../lib/field-mask.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import { getWritableDataset, immutableError, requireSameDataset } from "./access.ts";
import { checkingColumns } from "./fields.ts";
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
import type { DatasetOperationDeps, DatasetRequest, FormFile } from "./types.ts";

/** Names that HTTP clients give to bytes without a name. */
const UNNAMED: ReadonlySet<string> = new Set(["", "upload", "blob"]);

/**
 * Stores a file of a multipart form and begins the check of the rows. A file of the same name is replaced.
 * @param request.open reads the form; called only when the dataset accepts files
 */
export async function uploadFile(
  deps: DatasetOperationDeps,
  request: DatasetRequest & { open: () => Promise<FormFile> },
): Promise<UploadedFile> {
  const { blobs, clock } = deps;
  const row = await getWritableDataset(deps, request);
  if (row.state === "READY") throw noFurtherFile(row);
  const { filename: given, content } = await request.open().catch(tooLarge);
  const filename = UNNAMED.has(given) ? `${row.id}.jsonl` : given;
  checkFileName("file", filename);
  // Refuses one file too many before its content is read.
  withFiles("file", row, { [filename]: storedFile("", 0) });
  const blobId = newFileId();
  const key = fileKey(row, blobId);
  const { sizeBytes } = await blobs.write(key, content, { maxBytes: MAX_FORM_FILE_BYTES }).catch(tooLarge);
  try {
    const files = { [filename]: storedFile(blobId, sizeBytes) };
    await addFiles({ deps, row, field: "file", files, startCheck: true });
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

/** The first file of a form makes a dataset READY, so that a client with several files learns the other way. */
function noFurtherFile(row: DatasetRow): AppError {
  const { message } = immutableError(row, "file");
  const advice = "A dataset of several files declares them all with :getUploadEndpoint.";
  return new AppError("FAILED_PRECONDITION", `${message} ${advice}`, { param: "file" });
}

function tooLarge(error: unknown): never {
  if (!(error instanceof AppError) || error.code !== "PAYLOAD_TOO_LARGE") throw error;
  const message = `The file is larger than ${MAX_FORM_FILE_BYTES} bytes: use :getUploadEndpoint for large files.`;
  throw new AppError("PAYLOAD_TOO_LARGE", message, { param: "file" });
}

/**
 * Declares files with their sizes, in bytes as decimal text, and returns URLs that accept them. A file of the same name
 * is replaced.
 */
export async function uploadUrls(
  deps: DatasetOperationDeps,
  request: DatasetRequest & { body: GetUploadEndpointRequest; origin: string },
): Promise<SignedUrlsResponse> {
  const { origin } = request;
  const { filenameToSize, readMask } = request.body;
  const row = await getWritableDataset(deps, request);
  if (row.state === "READY") throw immutableError(row, "filenameToSize");
  const names = Object.keys(filenameToSize);
  // A valid mask changes nothing, because the response has a single field.
  if (readMask) parseMask("readMask", readMask, SignedUrlsResponse);
  if (names.length === 0) throw badRequest("filenameToSize", "filenameToSize names no file.");
  const files: Record<string, DatasetFile> = {};
  for (const name of names) {
    checkFileName("filenameToSize", name);
    const sizeBytes = Number(filenameToSize[name]);
    checkFileSize(`filenameToSize.${sanitizeForMessage(name)}`, sizeBytes);
    files[name] = { sizeBytes, uploadId: newFileId(), blobId: null };
  }
  await addFiles({ deps, row, field: "filenameToSize", files });
  const urls = Object.entries(files).map(async ([name, { uploadId, sizeBytes }]) => {
    const options = { sizeBytes, expiresInMs: UPLOAD_URL_MS, resumable: false, origin };
    return [name, await deps.blobs.uploadUrl(uploadKey(row, uploadId!), options)];
  });
  return { filenameToSignedUrls: Object.fromEntries(await Promise.all(urls)) };
}

/** Adds files to the row and deletes the files they replace. */
async function addFiles(options: {
  deps: DatasetOperationDeps;
  /** The dataset at the start of the request. */
  row: DatasetRow;
  /** The field of the request that errors name. */
  field: string;
  files: Record<string, DatasetFile>;
  /** Begins the check of the rows if all files are there. */
  startCheck?: true;
}): Promise<void> {
  const { row, field, files, startCheck = false } = options;
  const { store, blobs, clock } = options.deps;
  let replaced: DatasetFile[] = [];
  const changed = await store.change(row, (current) => {
    requireSameDataset(row, current);
    if (current.state === "READY") throw startCheck ? noFurtherFile(current) : immutableError(current, field);
    replaced = Object.keys(files).flatMap((name) => current.files[name] ?? []);
    const all = withFiles(field, current, files);
    const isComplete = Object.values(all).every(({ blobId }) => blobId !== null);
    const check = startCheck && isComplete ? checkingColumns() : {};
    return { ...current, ...check, files: all, updateTime: new Date(clock.now()) };
  });
  requireSameDataset(row, changed);
  for (const { uploadId, blobId } of replaced) {
    if (uploadId !== null) await blobs.delete(uploadKey(row, uploadId));
    if (blobId !== null) await blobs.delete(fileKey(row, blobId));
  }
}
