import type { ServerResponse } from "node:http";
import { type AppError, ERROR_TABLE, type ErrorCode } from "../../lib/errors.ts";

/** gRPC status codes. 405, 408, 413 and 502 have no counterpart in gRPC and get the nearest code. */
const GRPC_NUMBERS: Readonly<Record<ErrorCode, number>> = {
  BAD_REQUEST: 3,
  UNAUTHORIZED: 16,
  PAYMENT_REQUIRED: 8,
  FORBIDDEN: 7,
  NOT_FOUND: 5,
  METHOD_NOT_ALLOWED: 12,
  REQUEST_TIMEOUT: 4,
  ALREADY_EXISTS: 6,
  ABORTED: 10,
  FAILED_PRECONDITION: 9,
  PAYLOAD_TOO_LARGE: 8,
  RATE_LIMIT_EXCEEDED: 8,
  NOT_IMPLEMENTED: 12,
  INTERNAL: 13,
  BAD_GATEWAY: 14,
  UNAVAILABLE: 14,
  DEADLINE_EXCEEDED: 4,
  UNKNOWN: 2,
};

export interface ErrorResponse {
  status: number;
  /** JSON. */
  body: string;
}

/** The error response for a path: the control plane uses gRPC's shape, all other paths the data plane's. */
export function errorResponse(url: string, error: AppError): ErrorResponse {
  if (!isControlPlane(url)) return { status: error.status, body: errorBody(error) };
  const details =
    error.param === null
      ? []
      : [
          {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            fieldViolations: [{ field: error.param, description: error.message }],
          },
        ];
  return {
    // gRPC's gateways map FAILED_PRECONDITION to 400; only the data plane uses 412.
    status: error.code === "FAILED_PRECONDITION" ? 400 : error.status,
    body: JSON.stringify({ code: GRPC_NUMBERS[error.code], message: error.message, details }),
  };
}

/** Decided by the path alone, as requests can fail before a route is found. */
function isControlPlane(url: string): boolean {
  return /^\/v1\/(?:accounts|validateModelConfig)(?![^/?:#])/.test(url);
}

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

/** How long a client may pause inside a body that is drained because its request was refused. */
const UNREAD_BODY_TIMEOUT_MS = 2_000;

/**
 * Call it before an error response is sent to a request whose body was not read. Node then drains the body. If the
 * connection were closed while bytes are unread, TCP would reset it and the client would lose the response.
 */
export function drainUnreadBody(res: ServerResponse): void {
  if (res.req.complete) return;
  // Node would close the connection at once for a client that asked for it with `connection: close`.
  res.shouldKeepAlive = true;
  res.on("finish", () => res.req.socket.setTimeout(UNREAD_BODY_TIMEOUT_MS));
}

/** Sends an error as the whole response. No byte of a response may have been sent before. */
export function sendError(res: ServerResponse, requestId: string, error: AppError): void {
  const { status, body } = errorResponse(res.req.url ?? "", error);
  const headers = [
    "content-type",
    "application/json; charset=utf-8",
    "content-length",
    String(Buffer.byteLength(body)),
    "x-request-id",
    requestId,
    ...error.headers,
  ];
  if (error.retryAfterS !== null) headers.push("retry-after", String(error.retryAfterS));
  if (error.code === "UNAUTHORIZED") headers.push("www-authenticate", "Bearer");
  drainUnreadBody(res);
  res.writeHead(status, headers);
  res.end(body);
}
