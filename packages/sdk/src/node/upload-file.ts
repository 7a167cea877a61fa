import type { IncomingMessage } from "node:http";
import { ConflictError, ConnectionError } from "../client/errors.ts";
import { readStatus, sendFileRequest } from "./file-request.ts";
import { type LocalFile, readFrom, requireUnchanged } from "./files.ts";
import type { Transfer } from "./transfer.ts";
import type { UploadSession } from "./upload-sessions.ts";

/** Smaller files are sent again from their beginnings. */
const MIN_RESUMABLE_BYTES = 8 * 1024 ** 2;
const WHOLE = [200, 201, 204];
const INCOMPLETE = 308;
const REFUSALS = [400, 401, 403, 404, 405, 409, 411, 412, 501];

/**
 * Where to send a file. A store that takes files in pieces, as Google's does it, says so when it is asked; with any other the
 * signed URL itself takes the whole file.
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
    const answer = await sendFileRequest({ method: "POST", url, headers, signal: transfer.signal });
    const { location } = answer.headers;
    const status = await readStatus(answer, url.host, [...WHOLE, ...REFUSALS]);
    if (WHOLE.includes(status) && location !== undefined)
      session = { url: new URL(location, url).href, isResumable: true };
  });
  return session;
}

/**
 * Sends a file, and goes on where it stopped after failures that pass.
 * @param isResumed whether an earlier process may have sent a part
 * @throws ApiError of the store, FileError
 */
export async function uploadFile(
  file: LocalFile,
  session: UploadSession,
  transfer: Transfer,
  isResumed: boolean,
): Promise<void> {
  let mayHaveArrived = isResumed;
  await transfer.withRetries(file.name, async () => {
    const asks = mayHaveArrived && session.isResumable;
    const arrivedBytes = asks ? await askArrivedBytes(file, session, transfer) : 0;
    transfer.report(file.name, arrivedBytes ?? file.sizeBytes);
    if (arrivedBytes === null) return;
    try {
      await sendFrom(arrivedBytes, file, session, transfer);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      // By a URL that works once, the try before has brought everything, but its answer was lost.
      if (mayHaveArrived && !session.isResumable && error.code === "ALREADY_EXISTS") return;
      if (!mayHaveArrived && !session.isResumable) throw error;
      // The store hasn't noticed yet that the last connection broke; or it has everything, and says so when it is asked.
      throw new ConnectionError(error.message);
    } finally {
      mayHaveArrived = true;
    }
  });
  await requireUnchanged(file);
  transfer.report(file.name, file.sizeBytes);
}

/** Null: all of it. */
async function askArrivedBytes(
  file: LocalFile,
  { url }: UploadSession,
  transfer: Transfer,
): Promise<number | null> {
  const headers = { "content-range": `bytes */${file.sizeBytes}`, "content-length": 0 };
  const target = new URL(url);
  const answer = await sendFileRequest({ method: "PUT", url: target, headers, signal: transfer.signal });
  return (await readStatus(answer, target.host, [...WHOLE, INCOMPLETE])) === INCOMPLETE
    ? arrivedBytes(answer)
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
  const answer = await sendFileRequest({
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
  if ((await readStatus(answer, url.host, [...WHOLE, INCOMPLETE])) !== INCOMPLETE) return;
  transfer.report(file.name, arrivedBytes(answer));
  throw new ConnectionError(`${url.host} took only a part of ${file.name}.`);
}

/** `range: bytes=0-99` says 100. */
function arrivedBytes({ headers }: IncomingMessage): number {
  const last = /^bytes=0-(\d{1,16})$/.exec(headers.range ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}
