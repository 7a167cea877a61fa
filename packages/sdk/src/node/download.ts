import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Fireworks } from "../client/client.ts";
import { ConnectionError, InvalidResponseError } from "../client/errors.ts";
import type { ResourceCallOptions } from "../client/operation-client.ts";
import { connectionFailure, readStatus, sendFileRequest } from "./file-request.ts";
import { fileError } from "./files.ts";
import { Transfer, type TransferOptions } from "./transfer.ts";

export interface DownloadOptions extends TransferOptions {
  /** The account of a short name. Default: the client's. */
  accountId?: string | undefined;
}

export interface DownloadDatasetOptions extends DownloadOptions {
  /** Whether to download the files of the source datasets too. */
  downloadLineage?: boolean | undefined;
}

/**
 * Writes a model's files into a folder, and creates the folder. A file gets its name once it is complete, and replaces an
 * existing file.
 * @returns the files' paths
 * @throws FileError, for example when the disk is full
 */
export async function downloadModel(
  client: Fireworks,
  name: string,
  folder: string,
  options: DownloadOptions = {},
): Promise<string[]> {
  const { filenameToSignedUrls = {} } = await client.models.getDownloadEndpoint(
    name,
    {},
    callOptions(options),
  );
  return saveFiles(filenameToSignedUrls, folder, new Transfer(options));
}

/** Writes a dataset's files into a folder, as `downloadModel` does. */
export async function downloadDataset(
  client: Fireworks,
  name: string,
  folder: string,
  { downloadLineage, ...options }: DownloadDatasetOptions = {},
): Promise<string[]> {
  const request = { downloadLineage };
  const { filenameToSignedUrls = {} } = await client.datasets.getDownloadEndpoint(
    name,
    request,
    callOptions(options),
  );
  return saveFiles(filenameToSignedUrls, folder, new Transfer(options));
}

function callOptions({ accountId, signal }: DownloadOptions): ResourceCallOptions {
  return { accountId, signal };
}

/** @returns the files' paths */
export async function saveFiles(
  urls: Readonly<Record<string, string>>,
  folder: string,
  transfer: Transfer,
): Promise<string[]> {
  const files = Object.entries(urls).map(([name, url]) => ({ name, url, path: pathOf(folder, name) }));
  await transfer.each(files, (file) => saveFile(file, transfer));
  return files.map(({ path }) => path);
}

/** The local path of a file. @throws InvalidResponseError for a name that would lead out of the folder */
function pathOf(folder: string, name: string): string {
  const parts = name.split("/");
  const isSafe = parts.every((part) => /^[^\\\p{Cc}:]+$/u.test(part) && part !== "." && part !== "..");
  if (!isSafe)
    throw new InvalidResponseError(
      200,
      `The server named a file with an unsafe path: ${JSON.stringify(name)}.`,
    );
  return join(resolve(folder), ...parts);
}

interface RemoteFile {
  name: string;
  url: string;
  path: string;
}

async function saveFile(file: RemoteFile, transfer: Transfer): Promise<void> {
  const partial = `${file.path}.${randomBytes(6).toString("hex")}.part`;
  try {
    await makeFolder(dirname(file.path));
    const handle = await open(partial, "wx");
    try {
      await transfer.withRetries(file.name, () => receive(file, handle, transfer));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file.path);
  } catch (error) {
    await rm(partial, { force: true });
    throw fileError(file.path, error);
  }
}

/**
 * Creates a folder and its parents. Node's recursive `mkdir` loops for ever where creating a folder fails with ENOENT although
 * its parent exists, as in `/proc`.
 */
async function makeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return;
  if (found === null && dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    // Another transfer has just created it.
    if (error.code !== "EEXIST" || found !== null) throw error;
  });
}

/** Downloads a file, and resumes after the bytes that are already written. */
async function receive(file: RemoteFile, handle: FileHandle, transfer: Transfer): Promise<void> {
  const url = new URL(file.url);
  const startBytes = transfer.doneOf(file.name);
  const headers = startBytes > 0 ? { range: `bytes=${startBytes}-` } : {};
  const response = await sendFileRequest({ method: "GET", url, headers, signal: transfer.signal });
  const isPart = response.statusCode === 206;
  if (!isPart && response.statusCode !== 200) await readStatus(response, url.host, []);
  let doneBytes = isPart ? startBytes : 0;
  const lengthBytes = Number(response.headers["content-length"] ?? 0);
  const totalBytes = doneBytes + lengthBytes;
  transfer.setSize(file.name, totalBytes);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      await write(handle, chunk, doneBytes, file.path);
      doneBytes += chunk.length;
      transfer.report(file.name, doneBytes);
    }
  } catch (error) {
    throw connectionFailure(error, url, transfer.signal);
  }
  if (doneBytes < totalBytes) throw new ConnectionError(`The connection to ${url.host} broke.`);
  await handle.truncate(doneBytes);
}

/** @throws FileError */
export async function write(
  handle: FileHandle,
  bytes: Buffer,
  position: number,
  path: string,
): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  } catch (error) {
    throw fileError(path, error);
  }
}
