import type { ReadStream } from "node:fs";
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import https from "node:https";
import { pipeline } from "node:stream";
import { apiError, ConnectionError, FireworksError, readErrorBody, TimeoutError } from "../client/errors.ts";
import { readCause, readRetryAfterMs } from "../client/retry.ts";
import { parseJson } from "../client/transport.ts";
import { FileError, fileError } from "./files.ts";

/** Signed URLs are secrets, so error messages contain only their hosts. */

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
  /** Called with the number of bytes that were just handed to the socket. */
  onBytes(countBytes: number): void;
}

/** The longest time without data. */
const STALL_MS = 60_000;
/** The longest wait for the response after the last byte: a store may take minutes to assemble a large file. */
const FINISH_MS = 600_000;
const MAX_TEXT_BYTES = 64 * 1024;

/**
 * Sends a request to a signed URL, whose body is a file or whose response goes to a file. It uses `node:http`, as `fetch`
 * takes several times the CPU time.
 * @throws ConnectionError; FileError when the body can't be read; the signal's reason
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
    const fail = (error: unknown): void => reject(connectionFailure(error, url, signal));
    request.setTimeout(STALL_MS, () => {
      request.destroy(new TimeoutError(`${url.host} was silent for ${STALL_MS / 1_000} s.`));
    });
    request.on("error", fail);
    request.on("finish", () => request.setTimeout(FINISH_MS));
    request.on("response", (response) => {
      request.setTimeout(STALL_MS);
      // The store may refuse the request before the whole body is sent.
      response.on("end", () => {
        if (!request.writableFinished) request.destroy();
      });
      resolve(response);
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

/** Reads the rest of a response and returns its status. @throws ApiError for a status that is not expected */
export async function readStatus(
  response: IncomingMessage,
  host: string,
  expected: readonly number[],
): Promise<number> {
  const { statusCode: status = 0, headers } = response;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_TEXT_BYTES) break;
      chunks.push(chunk);
    }
  } catch {
    // The status is enough: without a body the error only has a less specific message.
  }
  if (expected.includes(status)) return status;
  const body = readErrorBody(parseJson(Buffer.concat(chunks)));
  throw apiError({
    status,
    code: body?.code ?? "",
    message: body?.message ?? `${host} answered ${status}.`,
    param: body?.param ?? null,
    details: body?.details ?? [],
    requestId: String(headers["x-request-id"] ?? "") || null,
    retryAfterMs: readRetryAfterMs(headers["retry-after"] ?? null, Date.now()),
  });
}

export function connectionFailure(error: unknown, url: URL, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof FireworksError) return error;
  const { maybeSent, code } = readCause(error);
  const what = maybeSent ? `The connection to ${url.host} broke` : `${url.host} can't be reached`;
  return new ConnectionError(`${what}${code === null ? "" : ` (${code})`}.`, maybeSent);
}
