import { badRequest } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { DatasetFormat } from "./rows/row.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetFile } from "./table.ts";

/** Largest file in a multipart form; larger files need a signed URL. */
export const MAX_FORM_FILE_BYTES = 157_286_400;
/** The limit of S3 for one PUT. */
export const MAX_FILE_BYTES = 5 * 1024 ** 3;
export const MAX_FILES = 100;
/** Largest size of all files together: 3,000,000 examples of about 18 KB, which take half an hour to check. */
export const MAX_DATASET_BYTES = 50 * 1024 ** 3;

/**
 * Files are stored under the uid, not the id, so that a new dataset never sees the files of a deleted one with the same
 * id.
 */
type BlobOwner = Pick<DatasetRow, "accountId" | "uid">;

/** Prefix of the keys of all files of a dataset. */
export function blobPrefix({ accountId, uid }: BlobOwner): string {
  return `datasets/${accountId}/${uid}/`;
}

/** Key that a signed URL uploads to. Each upload has an id of its own, so that it can't overwrite another one. */
export function uploadKey(owner: BlobOwner, uploadId: string): string {
  return `${blobPrefix(owner)}uploads/${uploadId}`;
}

/** Key of a file that no signed URL writes to any more. */
export function fileKey(owner: BlobOwner, blobId: string): string {
  return `${blobPrefix(owner)}files/${blobId}`;
}

/** A file that is stored under its `fileKey` already. */
export function storedFile(blobId: string, sizeBytes: number): DatasetFile {
  return { sizeBytes, uploadId: null, blobId };
}

export function newFileId(): string {
  return randomId();
}

const NAME = /^[^\p{C}\p{Zl}\p{Zp}/\\:*?"<>|.~-][^\p{C}\p{Zl}\p{Zp}/\\:*?"<>|]{0,193}\.jsonl$/iu;

/**
 * Checks that a name is a file name on all common systems: no folder, not hidden, `.jsonl` at the end.
 * @throws AppError BAD_REQUEST naming `field`.
 */
export function checkFileName(field: string, name: string): void {
  if (NAME.test(name)) return;
  if (/[/\\]|^\.\.?$/.test(name))
    throw badRequest(field, `${field}: ${sanitizeForMessage(name)} is a path, not a file's name.`);
  if (!/\.jsonl$/i.test(name))
    throw badRequest(field, `${field}: ${sanitizeForMessage(name)} does not end in .jsonl.`);
  throw badRequest(field, `${field}: ${sanitizeForMessage(name)} is no file name that is taken here.`);
}

/** @throws AppError BAD_REQUEST naming `field`. */
export function checkFileSize(field: string, sizeBytes: number): void {
  if (sizeBytes >= 1 && sizeBytes <= MAX_FILE_BYTES) return;
  throw badRequest(field, `${field} must be from 1 to ${MAX_FILE_BYTES} bytes.`);
}

/**
 * The dataset's files and the added ones. An added file replaces one of the same name.
 * @throws AppError BAD_REQUEST naming `field` when there are too many files or they are too large.
 */
export function withFiles(
  field: string,
  row: Pick<DatasetRow, "files">,
  added: Readonly<Record<string, DatasetFile>>,
): Record<string, DatasetFile> {
  const files = { ...row.files, ...added };
  if (Object.keys(files).length > MAX_FILES) {
    throw badRequest(field, `${field}: a dataset has at most ${MAX_FILES} files.`);
  }
  const sizeBytes = Object.values(files).reduce((sum, file) => sum + file.sizeBytes, 0);
  if (sizeBytes > MAX_DATASET_BYTES) {
    throw badRequest(field, `${field}: a dataset has at most ${MAX_DATASET_BYTES} bytes.`);
  }
  return files;
}

/** The format that the rows must have; null when the client declared none. */
export function formatOf({ format }: Pick<DatasetRow, "format">): DatasetFormat | null {
  return format === "FORMAT_UNSPECIFIED" ? null : format;
}

/** The files in the order in which they are read: by name. */
export function sortedFiles(row: Pick<DatasetRow, "files">): [string, DatasetFile][] {
  return Object.entries(row.files).sort(([a], [b]) => (a < b ? -1 : 1));
}
