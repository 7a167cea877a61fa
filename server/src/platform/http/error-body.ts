import type { ServerResponse } from "node:http";
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

/** Longest silence inside the body of a request that was refused before it was read. */
const UNREAD_BODY_TIMEOUT_MS = 2_000;

/**
 * Sends an error as the whole reply. The caller has made sure that no byte of the reply was sent before. Node reads the
 * rest of an unread body away: a connection closed on unread bytes would take the reply with it.
 */
export function sendError(res: ServerResponse, requestId: string, error: AppError): void {
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
  if (!res.req.complete) {
    // Also for a client that asked to close: Node would do it at once.
    res.shouldKeepAlive = true;
    res.on("finish", () => res.req.socket.setTimeout(UNREAD_BODY_TIMEOUT_MS));
  }
  res.writeHead(error.status, headers);
  res.end(body);
}
