import { AppError } from "../../lib/errors.ts";
import type { Blobs } from "../../platform/blobs/blobs.ts";
import { fileKey, formatOf, newFileId, sortedFiles, uploadKey } from "./files.ts";
import { chunkJob, type RunCheckJob } from "./rows/row-check-pool.ts";
import type { Fault, ValidationReport } from "./rows/validator.ts";
import type { DatasetRow } from "./store.ts";

/**
 * The dataset's files after all uploads by signed URL have been moved: each gets a new blob id. Moves nothing itself.
 * @throws AppError FAILED_PRECONDITION naming files that are missing or have another size than declared.
 */
export async function planMoves(blobs: Blobs, row: DatasetRow): Promise<DatasetRow["files"]> {
  const files = { ...row.files };
  const missing: string[] = [];
  for (const [name, file] of sortedFiles(row)) {
    const upload = file.uploadId === null ? null : await blobs.stat(uploadKey(row, file.uploadId));
    if (upload !== null) {
      if (upload.sizeBytes !== file.sizeBytes) missing.push(name);
      else files[name] = { ...file, blobId: newFileId() };
    } else if (file.blobId === null || (await blobs.stat(fileKey(row, file.blobId))) === null) {
      missing.push(name);
    }
  }
  if (missing.length > 0) {
    throw new AppError("FAILED_PRECONDITION", `Not uploaded yet, or not whole: ${missing.join(", ")}.`);
  }
  return files;
}

/**
 * Moves uploads to their file keys, which no signed URL writes to, so that files can't change after the check. Safe to
 * repeat after a failure.
 */
export async function moveUploads(blobs: Blobs, row: DatasetRow): Promise<void> {
  for (const { uploadId, blobId } of Object.values(row.files)) {
    if (uploadId === null || blobId === null) continue;
    const upload = uploadKey(row, uploadId);
    if ((await blobs.stat(upload)) !== null) await blobs.move(upload, fileKey(row, blobId));
  }
}

/** Checks all rows of a dataset whose uploads have been moved. */
export async function checkFiles(options: {
  blobs: Blobs;
  check: RunCheckJob;
  row: DatasetRow;
  signal: AbortSignal;
}): Promise<ValidationReport> {
  const { blobs, check, row, signal } = options;
  await check({ kind: "begin", format: formatOf(row), filter: null });
  for (const [name, file] of sortedFiles(row)) {
    await check({ kind: "file", name });
    for await (const bytes of await blobs.read(fileKey(row, file.blobId!))) {
      signal.throwIfAborted();
      if ((await check(chunkJob(bytes as Buffer))).isDone) break;
    }
  }
  const { report } = await check({ kind: "finish" });
  return report!;
}

/** The report's faults as a message for the client; null when the rows passed. */
export function problemText(report: ValidationReport): string | null {
  if (report.faults.length === 0) return report.problem;
  const lines = report.faults.map(({ file, line, problem }: Fault) => `${file}, line ${line}: ${problem}.`);
  if (report.isPartial) lines.push("There may be more: reading ended here.");
  return lines.join("\n");
}

/** Deletes blobs under the prefix that belong to no file of the dataset: replaced and unused uploads. */
export async function removeUnused(blobs: Blobs, row: DatasetRow, prefix: string): Promise<void> {
  const used = new Set(Object.values(row.files).map(({ blobId }) => fileKey(row, blobId!)));
  for (const { key } of await blobs.list(prefix)) if (!used.has(key)) await blobs.delete(key);
}
