import { createReadStream, type ReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { FireworksError } from "../client/errors.ts";

/** A local file or folder can't be used. The message names its path. */
export class FileError extends FireworksError {
  readonly path: string;
  /** The system's error code, such as `ENOSPC`; null when the SDK itself refuses the file. */
  readonly code: string | null;

  constructor(path: string, why: string, code: string | null = null) {
    super(`${path} ${why}${code === null ? "" : ` (${code})`}.`);
    this.path = path;
    this.code = code;
  }
}

export interface LocalFile {
  /** The path relative to the uploaded folder, with `/`. */
  name: string;
  path: string;
  sizeBytes: number;
  modifiedMs: number;
}

const REASONS: Record<string, string> = {
  ENOENT: "does not exist",
  EACCES: "may not be used by you",
  EPERM: "may not be used by you",
  EISDIR: "is a folder",
  ENOTDIR: "has a file where a folder should be",
  ELOOP: "is a symbolic link that leads to itself",
  ENOSPC: "can't be written: there is no space left",
  EDQUOT: "can't be written: your share of the space is used up",
  EFBIG: "can't be written: it gets too large for the file system",
  EROFS: "can't be written: the file system is read-only",
};
const MAX_FILES = 10_000;
const MAX_DEPTH = 32;

/** Turns an error of the file system into a FileError about `path`. Returns other errors unchanged. */
export function fileError(path: string, error: unknown): unknown {
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (!(error instanceof Error) || typeof code !== "string" || syscall === undefined) return error;
  return new FileError(path, REASONS[code] ?? "can't be used", code);
}

/** @throws FileError */
export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  return found.isDirectory();
}

/** Reads size and time of a file. Follows symbolic links. @throws FileError if it is not a file */
export async function localFile(path: string, name: string): Promise<LocalFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(path, error);
  });
  if (found.isDirectory()) throw new FileError(path, "is a folder, but a file is needed");
  if (!found.isFile()) throw new FileError(path, "is no file");
  return { name, path, sizeBytes: found.size, modifiedMs: found.mtimeMs };
}

/**
 * All files below a folder, sorted by name. Follows symbolic links; skips names that begin with a dot.
 * @throws FileError, also for a folder without files and for names that are not UTF-8
 */
export async function filesOf(folder: string): Promise<LocalFile[]> {
  const files: LocalFile[] = [];
  await collect(resolve(folder), "", [], files);
  if (files.length === 0) throw new FileError(folder, "holds no files");
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @param above the resolved paths of the parent folders; a folder in this list means a cycle of links */
async function collect(
  folder: string,
  prefix: string,
  above: readonly string[],
  files: LocalFile[],
): Promise<void> {
  const fail = (error: unknown): never => {
    throw fileError(folder, error);
  };
  const real = await realpath(folder).catch(fail);
  if (above.includes(real)) throw new FileError(folder, "leads back to a folder that it lies in");
  if (above.length >= MAX_DEPTH) throw new FileError(folder, `is nested more than ${MAX_DEPTH} folders deep`);
  for (const bytes of await readdir(folder, { encoding: "buffer" }).catch(fail)) {
    const name = fileName(folder, bytes);
    if (name.startsWith(".")) continue;
    const path = join(folder, name);
    const found = await stat(path).catch((error: unknown) => {
      throw fileError(path, error);
    });
    if (found.isDirectory()) await collect(path, `${prefix}${name}/`, [...above, real], files);
    else files.push(await localFile(path, prefix + name));
    if (files.length > MAX_FILES) throw new FileError(folder, `holds more than ${MAX_FILES} files`);
  }
}

function fileName(folder: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FileError(folder, `holds a file whose name is not UTF-8: ${JSON.stringify(String(bytes))}`);
  }
}

/** Streams the file from byte `start`, up to the size that it had when it was found. */
export function readFrom({ path, sizeBytes }: LocalFile, start: number): ReadStream {
  return createReadStream(path, { start, end: sizeBytes - 1, highWaterMark: 1024 ** 2 });
}

/** @throws FileError when the file's size or modification time has changed since it was found */
export async function requireUnchanged(file: LocalFile): Promise<void> {
  const { sizeBytes, modifiedMs } = await localFile(file.path, file.name);
  if (sizeBytes !== file.sizeBytes || modifiedMs !== file.modifiedMs)
    throw new FileError(file.path, "was changed while it was uploaded");
}
