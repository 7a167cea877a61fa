import type { ReadStream } from "node:fs";
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import https from "node:https";
import { pipeline } from "node:stream";
import { apiError, ConnectionError, FireworksError, readErrorBody, TimeoutError } from "../client/errors.ts";
import { readCause, readRetryAfterMs } from "../client/retry.ts";
import { parseJson } from "../client/transport.ts";
import { FileError, fileError } from "./files.ts";

/** Signed URLs are secrets: messages name their hosts alone. */

export interface FileRequest {
  method: "GET" | "PUT" | "POST";
  url: URL;
  headers?: OutgoingHttpHeaders;
  body?: FileBody;
  signal: AbortSignal;
}

export interface FileBody {
  stream: ReadStream;
  lengthBytes: number;
  /** Is told of bytes as they are handed on. */
  onBytes(countBytes: number): void;
}

/** Longest silence. */
const STALL_MS = 60_000;
/** A store may take so long to put a large file together. */
const FINISH_MS = 600_000;
const MAX_TEXT_BYTES = 64 * 1024;

/**
 * One request beside the API, whose bytes go to or come from a file: `fetch` costs several times the computing time.
 * @throws ConnectionError, FileError of the body; the signal's reason
 */
export function sendFileRequest({
  method,
  url,
  headers = {},
  body,
  signal,
}: FileRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? https : http).request(url, { method, headers, signal });
    const fail = (error: unknown): void => reject(failure(error, url, signal));
    request.setTimeout(STALL_MS, () => {
      request.destroy(new TimeoutError(`${url.host} was silent for ${STALL_MS / 1_000} s.`));
    });
    request.on("error", fail);
    request.on("finish", () => request.setTimeout(FINISH_MS));
    request.on("response", (answer) => {
      request.setTimeout(STALL_MS);
      // A refusal may come before everything was sent.
      answer.on("end", () => {
        if (!request.writableFinished) request.destroy();
      });
      resolve(answer);
    });
    if (body === undefined) request.end();
    else sendFile(request, body, fail);
  });
}

function sendFile(
  request: ClientRequest,
  { stream, lengthBytes, onBytes }: FileBody,
  fail: (error: unknown) => void,
): void {
  const path = String(stream.path);
  stream.on("error", (error) => fail(fileError(path, error)));
  stream.on("end", () => {
    if (stream.bytesRead < lengthBytes)
      request.destroy(new FileError(path, "got shorter while it was uploaded"));
  });
  pipeline(stream, request, (error) => {
    if (error) fail(error);
  });
  stream.on("data", (chunk) => onBytes(chunk.length));
}

/** Reads an answer away; gives its error unless it has one of these statuses. */
export async function readStatus(
  answer: IncomingMessage,
  host: string,
  expected: readonly number[],
): Promise<number> {
  const { statusCode: status = 0, headers } = answer;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_TEXT_BYTES) break;
      chunks.push(chunk);
    }
  } catch {
    // The status counts, whatever became of the text.
  }
  if (expected.includes(status)) return status;
  const said = readErrorBody(parseJson(Buffer.concat(chunks)));
  throw apiError({
    status,
    code: said?.code ?? "",
    message: said?.message ?? `${host} answered ${status}.`,
    param: said?.param ?? null,
    details: said?.details ?? [],
    requestId: String(headers["x-request-id"] ?? "") || null,
    retryAfterMs: readRetryAfterMs(headers["retry-after"] ?? null, Date.now()),
  });
}

export function failure(error: unknown, url: URL, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof FireworksError) return error;
  const { maybeSent, code } = readCause(error);
  const what = maybeSent ? `The connection to ${url.host} broke` : `${url.host} can't be reached`;
  return new ConnectionError(`${what}${code === null ? "" : ` (${code})`}.`, maybeSent);
}
