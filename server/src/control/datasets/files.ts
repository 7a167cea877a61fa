import { badRequest } from "../../lib/errors.ts";
import { sanitizeForMessage } from "../../lib/field-names.ts";
import { randomId } from "../../lib/resource-ids.ts";
import type { DatasetFormat } from "./rows/row.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetFile } from "./table.ts";

/** Of a file that comes in a form; larger ones come by signed URL. */
export const MAX_FORM_FILE_BYTES = 157_286_400;
/** The most that an S3 store takes in one PUT. */
export const MAX_FILE_BYTES = 5 * 1024 ** 3;
export const MAX_FILES = 100;
/** Of all files together: what 3,000,000 examples of some 18 KB take, and half an hour to check. */
export const MAX_DATASET_BYTES = 50 * 1024 ** 3;

/** Of one dataset, each with an identifier of its own, so that one upload never writes over another. */
type BlobOwner = Pick<DatasetRow, "accountId" | "uid">;

/** All that belongs to the dataset lies below it. */
export function blobPrefix({ accountId, uid }: BlobOwner): string {
  return `datasets/${accountId}/${uid}/`;
}

/** Where a signed URL takes a file. */
export function uploadKey(place: BlobOwner, uploadId: string): string {
  return `${blobPrefix(place)}uploads/${uploadId}`;
}

/** Where a file lies for good. */
export function fileKey(place: BlobOwner, blobId: string): string {
  return `${blobPrefix(place)}files/${blobId}`;
}

/** A file that is in its place already. */
export function storedFile(blobId: string, sizeBytes: number): DatasetFile {
  return { sizeBytes, uploadId: null, blobId };
}

export function newFileId(): string {
  return randomId();
}

const NAME = /^[^\p{C}\p{Zl}\p{Zp}/\\:*?"<>|.~-][^\p{C}\p{Zl}\p{Zp}/\\:*?"<>|]{0,193}\.jsonl$/iu;

/**
 * A name such as people's systems can store: no folders, no hidden files, `.jsonl` at the end.
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

/** The dataset's files with others put in; those of the same names go. @throws AppError BAD_REQUEST naming `field`. */
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

/** What the rows are said to be; null when nothing is. */
export function formatOf({ format }: Pick<DatasetRow, "format">): DatasetFormat | null {
  return format === "FORMAT_UNSPECIFIED" ? null : format;
}

/** By name, the order in which they are read. */
export function sortedFiles(row: Pick<DatasetRow, "files">): [string, DatasetFile][] {
  return Object.entries(row.files).sort(([a], [b]) => (a < b ? -1 : 1));
}
