import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type AppError, ERROR_TABLE } from "../../lib/errors.ts";

/** The data plane's error body: `{error: {message, type, code, param, object}}`. */
export function errorBody(error: AppError): string {
  return JSON.stringify({
    error: {
      message: error.message,
      type: ERROR_TABLE[error.code].type,
      code: error.code,
      param: error.param,
      object: "error",
    },
  });
}

/** Sends an error as the whole reply. The caller has made sure that no byte of the reply was sent before. */
export function sendError(res: ServerResponse, requestId: string, error: AppError, close = false): void {
  const body = errorBody(error);
  const headers = [
    "content-type",
    "application/json; charset=utf-8",
    "content-length",
    String(Buffer.byteLength(body)),
    "x-request-id",
    requestId,
  ];
  if (error.retryAfterS !== null) headers.push("retry-after", String(error.retryAfterS));
  if (error.code === "UNAUTHORIZED") headers.push("www-authenticate", "Bearer");
  if (close) headers.push("connection", "close");
  res.writeHead(error.status, headers);
  res.end(body);
}

/**
 * Answers what never became a request (broken HTTP, too large headers, a head or body that did not arrive in time)
 * on the bare socket, in the same shape as every other error, and closes it.
 */
export function sendSocketError(socket: Duplex, status: number, reason: string, error: AppError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = errorBody(error);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
