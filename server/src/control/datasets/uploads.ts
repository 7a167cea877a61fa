import { AppError, badRequest } from "../../lib/errors.ts";
import { parseMask } from "../../lib/field-mask.ts";
import { echo } from "../../lib/field-names.ts";
import type { Principal } from "../accounts/service.ts";
import { checkFiles, moveUploads, planMoves, problemOf, removeUnused } from "./checked-upload.ts";
import { type Context, findDataset, requireSame } from "./context.ts";
import {
  blobPrefix,
  checkFileName,
  checkFileSize,
  fileKey,
  MAX_FORM_FILE_BYTES,
  newFileId,
  storedFile,
  uploadKey,
  withFiles,
} from "./files.ts";
import { UPLOAD_URL_MS } from "./remains.ts";
import { immutable } from "./resource.ts";
import type { ValidationReport } from "./rows/validator.ts";
import { type GetUploadEndpointRequest, SignedUrls, type UploadedFile } from "./schema.ts";
import type { DatasetRow } from "./store.ts";
import type { DatasetFile } from "./table.ts";

export interface FormFile {
  filename: string;
  content: AsyncIterable<Uint8Array>;
}

/** Takes a file that comes in a form. A file of the same name is replaced. @param open called when it is wanted */
export async function uploadFile(
  context: Context,
  principal: Principal,
  accountId: string,
  id: string,
  open: () => Promise<FormFile>,
): Promise<UploadedFile> {
  const { blobs, clock } = context;
  const row = await findDataset(context, principal, accountId, id, "write");
  if (row.state === "READY") throw immutable(row, "file");
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
  context: Context,
  principal: Principal,
  accountId: string,
  id: string,
  { filenameToSize, readMask }: GetUploadEndpointRequest,
  origin: string,
): Promise<SignedUrls> {
  const row = await findDataset(context, principal, accountId, id, "write");
  if (row.state === "READY") throw immutable(row, "filenameToSize");
  const names = Object.keys(filenameToSize);
  // The answer has a single field: there is nothing to choose.
  if (readMask) parseMask("readMask", readMask, SignedUrls);
  if (names.length === 0) throw badRequest("filenameToSize", "filenameToSize names no file.");
  const files: Record<string, DatasetFile> = {};
  for (const name of names) {
    checkFileName("filenameToSize", name);
    const sizeBytes = Number(filenameToSize[name]);
    checkFileSize(`filenameToSize.${echo(name)}`, sizeBytes);
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
  { store, blobs, clock }: Context,
  seen: DatasetRow,
  field: string,
  files: Record<string, DatasetFile>,
): Promise<void> {
  let replaced: DatasetFile[] = [];
  const changed = await store.change(seen.accountId, seen.id, (row) => {
    requireSame(seen, row);
    if (row.state === "READY") throw immutable(row, field);
    replaced = Object.keys(files).flatMap((name) => row.files[name] ?? []);
    return { ...row, files: withFiles(field, row, files), updateTime: new Date(clock.now()) };
  });
  requireSame(seen, changed);
  for (const { uploadId, blobId } of replaced) {
    if (uploadId !== null) await blobs.delete(uploadKey(seen, uploadId));
    if (blobId !== null) await blobs.delete(fileKey(seen, blobId));
  }
}

/** Checks uploads, each dataset's once at a time: who asks meanwhile gets the same answer. */
export class UploadChecks {
  readonly #context: Context;
  readonly #running = new Map<string, Promise<void>>();

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Checks all rows and makes the dataset READY; nothing happens when it is. Goes on when nobody waits any more: the
   * dataset's status tells the result.
   * @throws AppError BAD_REQUEST with the faults by file and line; FAILED_PRECONDITION while files are missing; ABORTED
   * when files changed meanwhile.
   */
  async run(principal: Principal, accountId: string, id: string): Promise<void> {
    const row = await findDataset(this.#context, principal, accountId, id, "write");
    if (row.state === "READY") return;
    const running =
      this.#running.get(row.uid) ?? this.#check(row).finally(() => this.#running.delete(row.uid));
    this.#running.set(row.uid, running);
    await running;
  }

  async #check(seen: DatasetRow): Promise<void> {
    const { store, blobs, checks } = this.#context;
    if (Object.keys(seen.files).length === 0) {
      const message = "No file was uploaded: use :upload or :getUploadEndpoint first.";
      throw new AppError("FAILED_PRECONDITION", message);
    }
    const files = await planMoves(blobs, seen);
    const row = await this.#change(seen, { files });
    await moveUploads(blobs, row);
    const report = await checks
      .run((check) => checkFiles(blobs, check, row))
      .catch(async (error: unknown) => {
        // A file that was replaced meanwhile can't be read any more.
        requireUnchanged(row, await store.get(row.accountId, row.id));
        throw error;
      });
    const problem = problemOf(report);
    if (problem !== null) {
      await this.#change(row, { statusCode: "INVALID_ARGUMENT", statusMessage: problem });
      throw new AppError("BAD_REQUEST", problem);
    }
    const ready = await this.#change(row, { ...readyColumns(report), statusMessage: countNote(row, report) });
    await removeUnused(blobs, ready, blobPrefix(ready));
  }

  async #change(seen: DatasetRow, columns: Partial<DatasetRow>): Promise<DatasetRow> {
    const { store, clock } = this.#context;
    const changed = await store.change(seen.accountId, seen.id, (row) => {
      requireUnchanged(seen, row);
      return { ...row, ...columns, updateTime: new Date(clock.now()) };
    });
    requireSame(seen, changed);
    return changed;
  }
}

/** @throws AppError ABORTED when somebody else changed the dataset since it was seen; NOT_FOUND when it is gone. */
function requireUnchanged(seen: DatasetRow, row: DatasetRow | null): void {
  requireSame(seen, row);
  if (row.revision === seen.revision) return;
  throw new AppError("ABORTED", "The dataset was changed while it was being checked: check it again.");
}

/** What makes a dataset of checked rows READY. */
export function readyColumns(report: ValidationReport): Partial<DatasetRow> {
  const { format, exampleCount, estimatedTokenCount, averageTurnCount } = report;
  return {
    state: "READY",
    statusCode: "OK",
    statusMessage: "",
    format,
    exampleCount,
    estimatedTokenCount,
    averageTurnCount,
  };
}

/** A count that the client gave is corrected, but not in silence. */
function countNote(row: DatasetRow, { exampleCount }: ValidationReport): string {
  if (row.exampleCount === 0 || row.exampleCount === exampleCount) return "";
  return `exampleCount was given as ${row.exampleCount}; the files hold ${exampleCount} examples.`;
}
