import { randomBytes } from "node:crypto";
import { mkdir, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { AppError } from "../../lib/errors.ts";
import { type Blobs, checkKey, checkPrefix } from "./blobs.ts";
import {
  isFileMissing,
  listFiles,
  removeWithEmptyFolders,
  renameDurably,
  requireDiskSpace,
  toDiskFullError,
  writeStream,
} from "./disk.ts";
import { ResumableUploads } from "./resumable-uploads.ts";
import type { SignedUrls } from "./signed-urls.ts";

export interface LocalBlobsOptions {
  /** Absolute path. Contains `objects` with the blobs and `uploads` with incomplete files, on one file system. */
  folder: string;
  clock: Clock;
  urls: SignedUrls;
  /** Origin of URLs: `http://host:port`. @param requestOrigin see `UploadUrlOptions.origin`. */
  origin(requestOrigin: string | undefined): string;
}

/** A write that takes longer counts as abandoned, and its incomplete file is deleted. */
const WRITE_LIMIT_MS = 24 * 3_600_000;

/** Stores blobs in a local folder. `uploads` receives files that come by signed URL. */
export function createLocalBlobs(options: LocalBlobsOptions): { blobs: Blobs; uploads: ResumableUploads } {
  const { urls, origin, clock } = options;
  const objects = join(options.folder, "objects");
  const uploadsFolder = join(options.folder, "uploads");
  const pathOf = (key: string): string => {
    checkKey(key);
    return join(objects, key);
  };
  const publish = (file: string, key: string): Promise<void> => moveIntoStore(file, pathOf(key));
  const sizeAt = async (path: string): Promise<number | null> => {
    const stats = await stat(path).catch(nullIfMissing);
    return stats?.isFile() ? stats.size : null;
  };

  const blobs: Blobs = {
    async write(key, source, limits) {
      const path = pathOf(key);
      await mkdir(uploadsFolder, { recursive: true, mode: 0o700 });
      // Name the file like an upload that expires, so that the sweep of expired uploads deletes it after a crash.
      const partial = join(
        uploadsFolder,
        `${clock.now() + WRITE_LIMIT_MS}-write-${randomBytes(8).toString("hex")}`,
      );
      try {
        await requireDiskSpace(uploadsFolder, limits.exactBytes ?? 0);
        const file = await open(partial, "wx", 0o600);
        const written = await writeStream(file, source, limits).finally(() => file.close());
        await moveIntoStore(partial, path);
        return written;
      } catch (error) {
        throw toDiskFullError(error);
      } finally {
        await rm(partial, { force: true });
      }
    },
    async read(key, range) {
      const file = await open(pathOf(key), "r").catch(nullIfMissing);
      const isFile = (await file?.stat())?.isFile() === true;
      if (file !== null && isFile) return file.createReadStream(range);
      await file?.close();
      throw blobNotFound();
    },
    async stat(key) {
      const sizeBytes = await sizeAt(pathOf(key));
      return sizeBytes === null ? null : { sizeBytes };
    },
    async list(prefix) {
      checkPrefix(prefix);
      const names = await listFiles(join(objects, prefix.slice(0, -1)));
      const entries = await Promise.all(
        names.map(async (name) => ({
          key: prefix + name,
          sizeBytes: await sizeAt(join(objects, prefix, name)),
        })),
      );
      return entries.filter((entry) => entry.sizeBytes !== null) as { key: string; sizeBytes: number }[];
    },
    async move(from, to) {
      const source = pathOf(from);
      if ((await sizeAt(source)) === null) throw blobNotFound();
      await moveIntoStore(source, pathOf(to));
      await removeWithEmptyFolders(source, objects);
    },
    async delete(key) {
      const path = pathOf(key);
      if ((await sizeAt(path)) !== null) await removeWithEmptyFolders(path, objects);
    },
    async deletePrefix(prefix) {
      checkPrefix(prefix);
      await removeWithEmptyFolders(join(objects, prefix.slice(0, -1)), objects);
    },
    async localPath(key) {
      if ((await sizeAt(pathOf(key))) === null) throw blobNotFound();
      return pathOf(key);
    },
    async localFolder(prefix) {
      checkPrefix(prefix);
      return join(objects, prefix.slice(0, -1));
    },
    uploadUrl: async (key, { sizeBytes, expiresInMs, origin: requestOrigin }) =>
      origin(requestOrigin) + urls.signUpload(key, sizeBytes, expiresInMs),
    downloadUrl: async (key, { expiresInMs, filename, origin: requestOrigin }) =>
      origin(requestOrigin) +
      urls.signDownload(key, filename ?? key.slice(key.lastIndexOf("/") + 1), expiresInMs),
  };
  return { blobs, uploads: new ResumableUploads({ folder: uploadsFolder, clock, publish }) };
}

/** @throws AppError BAD_REQUEST when a parent of the path is a blob, or the path is a folder of blobs. */
async function moveIntoStore(file: string, path: string): Promise<void> {
  try {
    await renameDurably(file, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EISDIR" && code !== "ENOTDIR" && code !== "EEXIST" && code !== "ENOTEMPTY") throw error;
    throw new AppError("BAD_REQUEST", "A stored file and a folder would have the same name.", {
      param: "key",
    });
  }
}

function nullIfMissing(error: unknown): null {
  if (isFileMissing(error)) return null;
  throw error;
}

function blobNotFound(): AppError {
  return new AppError("NOT_FOUND", "There is no such file.");
}
