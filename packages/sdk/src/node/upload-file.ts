import type { IncomingMessage } from "node:http";
import { ConflictError, ConnectionError } from "../client/errors.ts";
import { readStatus, sendFileRequest } from "./file-request.ts";
import { type LocalFile, readFrom, requireUnchanged } from "./files.ts";
import type { Transfer } from "./transfer.ts";
import type { UploadSession } from "./upload-sessions.ts";

/** Smaller files aren't resumed but sent again from the beginning. */
const MIN_RESUMABLE_BYTES = 8 * 1024 ** 2;
const COMPLETE = [200, 201, 204];
const INCOMPLETE = 308;
const REFUSALS = [400, 401, 403, 404, 405, 409, 411, 412, 501];

/**
 * Opens a resumable session in Google Cloud Storage's protocol. For small files, and for stores without that protocol, the
 * session is the signed URL itself, which takes the whole file.
 */
export async function startSession(
  file: LocalFile,
  signedUrl: string,
  transfer: Transfer,
): Promise<UploadSession> {
  const url = new URL(signedUrl);
  let session: UploadSession = { url: signedUrl, isResumable: false };
  if (file.sizeBytes < MIN_RESUMABLE_BYTES) return session;
  await transfer.withRetries(file.name, async () => {
    const headers = { "x-goog-resumable": "start", "content-length": 0 };
    const response = await sendFileRequest({ method: "POST", url, headers, signal: transfer.signal });
    const { location } = response.headers;
    const status = await readStatus(response, url.host, [...COMPLETE, ...REFUSALS]);
    if (COMPLETE.includes(status) && location !== undefined)
      session = { url: new URL(location, url).href, isResumable: true };
  });
  return session;
}

/**
 * Sends a file. After a temporary failure it resumes where it stopped.
 * @param isResumed whether an earlier process may have sent a part of the file
 * @throws ApiError of the store; FileError
 */
export async function uploadFile(
  file: LocalFile,
  session: UploadSession,
  transfer: Transfer,
  isResumed: boolean,
): Promise<void> {
  let mayHaveArrived = isResumed;
  await transfer.withRetries(file.name, async () => {
    const canResume = mayHaveArrived && session.isResumable;
    const arrivedBytes = canResume ? await queryArrivedBytes(file, session, transfer) : 0;
    transfer.report(file.name, arrivedBytes ?? file.sizeBytes);
    if (arrivedBytes === null) return;
    try {
      await sendFrom(arrivedBytes, file, session, transfer);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      // The URL works once: an earlier attempt has sent the whole file, but its response was lost.
      if (mayHaveArrived && !session.isResumable && error.code === "ALREADY_EXISTS") return;
      if (!mayHaveArrived && !session.isResumable) throw error;
      // Retry: the store has not noticed yet that the last connection broke, or it has the whole file and will say so.
      throw new ConnectionError(error.message);
    } finally {
      mayHaveArrived = true;
    }
  });
  await requireUnchanged(file);
  transfer.report(file.name, file.sizeBytes);
}

/** The number of bytes that the store has; null when it has the whole file. */
async function queryArrivedBytes(
  file: LocalFile,
  { url }: UploadSession,
  transfer: Transfer,
): Promise<number | null> {
  const headers = { "content-range": `bytes */${file.sizeBytes}`, "content-length": 0 };
  const target = new URL(url);
  const response = await sendFileRequest({ method: "PUT", url: target, headers, signal: transfer.signal });
  return (await readStatus(response, target.host, [...COMPLETE, INCOMPLETE])) === INCOMPLETE
    ? arrivedBytes(response)
    : null;
}

async function sendFrom(
  startBytes: number,
  file: LocalFile,
  session: UploadSession,
  transfer: Transfer,
): Promise<void> {
  const { sizeBytes } = file;
  const url = new URL(session.url);
  const lengthBytes = sizeBytes - startBytes;
  let doneBytes = startBytes;
  const response = await sendFileRequest({
    method: "PUT",
    url,
    headers: {
      "content-length": lengthBytes,
      ...(startBytes > 0 && { "content-range": `bytes ${startBytes}-${sizeBytes - 1}/${sizeBytes}` }),
    },
    ...(lengthBytes > 0 && {
      body: {
        stream: readFrom(file, startBytes),
        lengthBytes,
        onBytes(count) {
          doneBytes += count;
          transfer.report(file.name, doneBytes);
        },
      },
    }),
    signal: transfer.signal,
  });
  if ((await readStatus(response, url.host, [...COMPLETE, INCOMPLETE])) !== INCOMPLETE) return;
  transfer.report(file.name, arrivedBytes(response));
  throw new ConnectionError(`${url.host} took only a part of ${file.name}.`);
}

/** `range: bytes=0-99` means 100 bytes. */
function arrivedBytes({ headers }: IncomingMessage): number {
  const last = /^bytes=0-(\d{1,16})$/.exec(headers.range ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}
