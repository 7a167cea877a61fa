/**
 * HTTP status of each error code, and its `type` in errors of the inference API. The table is part of the compatible
 * API.
 */
export const ERROR_TABLE = {
  BAD_REQUEST: { status: 400, type: "invalid_request_error" },
  UNAUTHORIZED: { status: 401, type: "error" },
  PAYMENT_REQUIRED: { status: 402, type: "billing_error" },
  FORBIDDEN: { status: 403, type: "invalid_request_error" },
  NOT_FOUND: { status: 404, type: "error" },
  METHOD_NOT_ALLOWED: { status: 405, type: "invalid_request_error" },
  REQUEST_TIMEOUT: { status: 408, type: "server_error" },
  ALREADY_EXISTS: { status: 409, type: "invalid_request_error" },
  ABORTED: { status: 409, type: "invalid_request_error" },
  FAILED_PRECONDITION: { status: 412, type: "invalid_request_error" },
  PAYLOAD_TOO_LARGE: { status: 413, type: "invalid_request_error" },
  RATE_LIMIT_EXCEEDED: { status: 429, type: "rate_limit_error" },
  NOT_IMPLEMENTED: { status: 501, type: "invalid_request_error" },
  INTERNAL: { status: 500, type: "server_error" },
  BAD_GATEWAY: { status: 502, type: "server_error" },
  UNAVAILABLE: { status: 503, type: "server_error" },
  DEADLINE_EXCEEDED: { status: 504, type: "server_error" },
  UNKNOWN: { status: 520, type: "server_error" },
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;

export interface AppErrorOptions {
  /** Path of the request field that caused the error: `messages[0].content`. */
  param?: string;
  /** Whole seconds after which the same request may succeed; sent as `retry-after`. */
  retryAfterS?: number;
  /** Further response headers, names and values alternating. Only the inference API sends them. */
  headers?: readonly string[];
  /** The internal cause; logged, never sent. */
  cause?: unknown;
}

const NO_HEADERS: readonly string[] = [];

/** The platform's only type of error that reaches clients: a code and a message that any client may see. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterS: number | null;
  readonly headers: readonly string[];

  /** @param message one sentence safe to show to any client: no prompt, key, path or stack. */
  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterS = options.retryAfterS ?? null;
    this.headers = options.headers ?? NO_HEADERS;
  }

  get status(): number {
    return ERROR_TABLE[this.code].status;
  }
}

/** A 400 that names the field. */
export function badRequest(param: string, message: string): AppError {
  return new AppError("BAD_REQUEST", message, { param });
}

/**
 * Converts anything thrown to an AppError. An unknown error becomes INTERNAL, with the error as the cause for the log.
 */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError("INTERNAL", "The server failed to handle the request.", { cause: thrown });
}
