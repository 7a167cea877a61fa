import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Fireworks } from "../client/client.ts";
import { ConnectionError, InvalidResponseError } from "../client/errors.ts";
import type { ResourceCallOptions } from "../client/operation-client.ts";
import { failure, readStatus, sendFileRequest } from "./file-request.ts";
import { fileError } from "./files.ts";
import { Transfer, type TransferOptions } from "./transfer.ts";

export interface DownloadOptions extends TransferOptions {
  /** The account that a short name means. Default: the client's. */
  accountId?: string | undefined;
}

export interface DownloadDatasetOptions extends DownloadOptions {
  /** Also the files of the datasets that it was made of. */
  downloadLineage?: boolean | undefined;
}

/**
 * Writes a model's files into a folder, which is made. A file appears under its name when it is whole; one that is there
 * is replaced.
 * @returns the files' paths
 * @throws FileError, as for a full disk
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
  const files = Object.entries(urls).map(([name, url]) => ({ name, url, path: placeOf(folder, name) }));
  await transfer.each(files, (file) => saveFile(file, transfer));
  return files.map(({ path }) => path);
}

/** Names come from the server: none of them leads out of the folder. */
function placeOf(folder: string, name: string): string {
  const parts = name.split("/");
  const isGood = parts.every((part) => /^[^\\\p{Cc}:]+$/u.test(part) && part !== "." && part !== "..");
  if (!isGood) throw new InvalidResponseError(200, `The server named a file ${JSON.stringify(name)}.`);
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

/** With the folders above it. Node's own way never ends where the system says ENOENT of a folder that is there, as in `/proc`. */
async function makeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return;
  if (found === null && dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path).catch((error: NodeJS.ErrnoException) => {
    // Made by another transfer meanwhile.
    if (error.code !== "EEXIST" || found !== null) throw error;
  });
}

/** Goes on behind what was written before. */
async function receive(file: RemoteFile, handle: FileHandle, transfer: Transfer): Promise<void> {
  const url = new URL(file.url);
  const startBytes = transfer.doneOf(file.name);
  const headers = startBytes > 0 ? { range: `bytes=${startBytes}-` } : {};
  const answer = await sendFileRequest({ method: "GET", url, headers, signal: transfer.signal });
  const isPart = answer.statusCode === 206;
  if (!isPart && answer.statusCode !== 200) await readStatus(answer, url.host, []);
  let doneBytes = isPart ? startBytes : 0;
  const lengthBytes = Number(answer.headers["content-length"] ?? 0);
  const totalBytes = doneBytes + lengthBytes;
  transfer.expect(file.name, totalBytes);
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      await write(handle, chunk, doneBytes, file.path);
      doneBytes += chunk.length;
      transfer.report(file.name, doneBytes);
    }
  } catch (error) {
    throw failure(error, url, transfer.signal);
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
