import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError, badRequest } from "../../lib/errors.ts";
import type { WrittenBlob } from "./blobs.ts";

/** Space that stays free for other users of the disk, most of all the database. */
const RESERVE_BYTES = 512 * 1024 ** 2;

export function isFileMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** @throws AppError UNAVAILABLE when `neededBytes` more bytes would fill the disk. */
export async function requireDiskSpace(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize - neededBytes < RESERVE_BYTES) throw diskFull();
}

/** Converts the error of a full disk to one that clients may see. Returns other errors unchanged. */
export function toDiskFullError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" ? diskFull(error) : error;
}

function diskFull(cause?: unknown): AppError {
  return new AppError("UNAVAILABLE", "There is not enough disk space for this file.", { cause });
}

/** Renames a file over an existing one, in a way that survives a power cut. */
export async function renameDurably(file: string, path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await rename(file, path);
      break;
    } catch (error) {
      // The folder may have been deleted in between, together with its last file.
      if (!isFileMissing(error) || tries === 3) throw error;
    }
  }
  const folder = await open(dirname(path), "r");
  await folder.sync().finally(() => folder.close());
}

/** Deletes a file or folder, and then its parent folders below `top` that are empty. */
export async function removeWithEmptyFolders(path: string, top: string): Promise<void> {
  await rm(path, { force: true, recursive: true });
  for (let folder = dirname(path); folder.length > top.length; folder = dirname(folder)) {
    const isEmpty = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!isEmpty) return;
  }
}

/** Sorted relative paths of all files below a folder; empty when the folder doesn't exist. */
export async function listFiles(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    return files.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort();
  } catch (error) {
    if (isFileMissing(error)) return [];
    throw error;
  }
}

/**
 * Writes a stream to a new file and syncs the file to the disk.
 * @throws AppError PAYLOAD_TOO_LARGE above `maxBytes`, BAD_REQUEST when the size is not `exactBytes`.
 */
export async function writeStream(
  file: FileHandle,
  source: AsyncIterable<Uint8Array>,
  limits: { maxBytes: number; exactBytes?: number },
): Promise<WrittenBlob> {
  const measured = measureStream(source, limits);
  for await (const chunk of measured.chunks) await file.writeFile(chunk);
  await file.sync();
  return measured.result();
}

/** Counts and hashes chunks while passing them on. The chunks end with an error when they are too many or too few. */
export function measureStream(
  source: AsyncIterable<Uint8Array>,
  limits: { maxBytes: number; exactBytes?: number },
): { chunks: AsyncIterable<Uint8Array>; result(): WrittenBlob } {
  const hash = createHash("sha256");
  const { exactBytes } = limits;
  const maxBytes = Math.min(limits.maxBytes, exactBytes ?? Number.POSITIVE_INFINITY);
  let sizeBytes = 0;
  async function* chunks(): AsyncIterable<Uint8Array> {
    for await (const chunk of source) {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        if (exactBytes !== undefined) throw wrongSize(exactBytes);
        throw new AppError("PAYLOAD_TOO_LARGE", `The file is larger than ${maxBytes} bytes.`);
      }
      hash.update(chunk);
      yield chunk;
    }
    if (exactBytes !== undefined && sizeBytes !== exactBytes) throw wrongSize(exactBytes);
  }
  return { chunks: chunks(), result: () => ({ sizeBytes, sha256: hash.digest("hex") }) };
}

export function wrongSize(declaredBytes: number): AppError {
  return badRequest("body", `The file does not have the declared size of ${declaredBytes} bytes.`);
}
