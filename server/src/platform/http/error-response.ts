import type { ServerResponse } from "node:http";
import { type AppError, ERROR_TABLE, type ErrorCode } from "../../lib/errors.ts";

/**
 * The number of gRPC's status for each code; 405, 408, 413 and 502, which gRPC doesn't know, have its nearest.
 */
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

/** How an error looks on a path: the control plane has gRPC's shape, all else the data plane's. */
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
    // As gRPC's gateways map it; 412 is the data plane's.
    status: error.code === "FAILED_PRECONDITION" ? 400 : error.status,
    body: JSON.stringify({ code: GRPC_NUMBERS[error.code], message: error.message, details }),
  };
}

/** Whether a path belongs to the resources; also decides for what is refused before any route is found. */
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

/** Longest silence inside the body of a request that was refused before it was read. */
const UNREAD_BODY_TIMEOUT_MS = 2_000;

/** To be called before a refusal is sent. Node reads the rest of the body away: a connection closed on unread bytes would take the reply with it. */
export function drainUnreadBody(res: ServerResponse): void {
  if (res.req.complete) return;
  // Also for a client that asked to close: Node would do it at once.
  res.shouldKeepAlive = true;
  res.on("finish", () => res.req.socket.setTimeout(UNREAD_BODY_TIMEOUT_MS));
}

/** Sends an error as the whole reply. The caller has made sure that no byte of the reply was sent before. */
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
