import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../lib/clock.ts";
import { AppError, badRequest } from "../../lib/errors.ts";
import { errorBody } from "./error-response.ts";

/**
 * How long a refused client may go on sending. If a connection is closed while bytes are unread, TCP resets it and the
 * client loses the error response.
 */
const LINGER_MS = 2_000;

/** Refused connections; bytes that still arrive on them cause further faults, which get no second response. */
const refused = new WeakSet<Duplex>();

/** Faults of a client that has disconnected, or has closed its side in the middle of a request. */
const DISCONNECT_CODES: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "HPE_INVALID_EOF_STATE"]);

interface ClientErrorResponse {
  /** May be a status that the error table has no code for, such as 431. */
  status: number;
  reason: string;
  error: AppError;
}

/**
 * Sends an error response for requests that Node can't parse: malformed HTTP, a head that is too large, a head or body
 * that doesn't arrive in time. The response has the data plane's shape, and the connection ends with it.
 */
export function handleClientError(
  fault: NodeJS.ErrnoException,
  socket: Duplex,
  { maxHeaderBytes, clock }: { maxHeaderBytes: number; clock: Clock },
): void {
  if (refused.has(socket)) return;
  const res = (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
  // Once a response has begun, an error response would land in the middle of its bytes.
  const canRespond = res === null || isWaitingForBody(res);
  if (DISCONNECT_CODES.has(fault.code ?? "") || !socket.writable || !canRespond) {
    socket.destroy();
    return;
  }
  refused.add(socket);
  clock.after(LINGER_MS, () => socket.destroy());
  const refusal = toClientErrorResponse(fault, maxHeaderBytes, res === null ? {} : { param: "body" });
  if (res === null) {
    writeErrorResponse(socket, refusal);
    return;
  }
  // The code that reads the body sends the error response and records the request.
  res.req.emit("error", refusal.error);
}

function isWaitingForBody(res: ServerResponse): boolean {
  return !res.headersSent && !res.req.complete && res.req.listenerCount("error") > 0;
}

function toClientErrorResponse(
  fault: NodeJS.ErrnoException,
  maxHeaderBytes: number,
  about: { param?: string },
): ClientErrorResponse {
  if (fault.code === "HPE_HEADER_OVERFLOW") {
    const error = badRequest("headers", `The request headers are larger than ${maxHeaderBytes} bytes.`);
    return { status: 431, reason: "Request Header Fields Too Large", error };
  }
  if (fault.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const error = new AppError("REQUEST_TIMEOUT", "The request did not arrive in time.", about);
    return { status: error.status, reason: "Request Timeout", error };
  }
  const error = new AppError("BAD_REQUEST", "This is not a valid HTTP request.", { ...about, cause: fault });
  return { status: error.status, reason: "Bad Request", error };
}

function writeErrorResponse(socket: Duplex, { status, reason, error }: ClientErrorResponse): void {
  const body = errorBody(error);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
