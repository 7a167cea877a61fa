/** The errors that the SDK throws. No message contains an API key. */

/** The base class of all errors of the SDK. */
export class FireworksError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** An argument or setting is invalid; nothing was sent. */
export class InputError extends FireworksError {
  /** The name of the argument or setting. */
  readonly param: string;

  constructor(param: string, message: string) {
    super(message);
    this.param = param;
  }
}

/** No complete response: the host is unknown or refuses connections, or the connection broke. The message names the host. */
export class ConnectionError extends FireworksError {
  /** Whether the host may have received the request. */
  readonly maybeSent: boolean;

  constructor(message: string, maybeSent = true) {
    super(message);
    this.maybeSent = maybeSent;
  }
}

/** No response came in time. */
export class TimeoutError extends ConnectionError {}

/** The host sent a response that this API never gives, such as a web page. The message names the host. */
export class InvalidResponseError extends FireworksError {
  /** HTTP status. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface ApiErrorFields {
  /** HTTP status; 200 for an error in the middle of a stream. */
  status: number;
  /** A gRPC code such as `NOT_FOUND`, or a code of the inference API. */
  code: string;
  message: string;
  /** The field or parameter that is wrong; null when the API names none. */
  param: string | null;
  /** The `details` of a control plane error; empty for other errors. */
  details: readonly unknown[];
  requestId: string | null;
  /** The server's `retry-after`; null without it. */
  retryAfterMs: number | null;
}

/** An error response of the API. */
export class ApiError extends FireworksError {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly details: readonly unknown[];
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;

  constructor(fields: ApiErrorFields) {
    super(fields.message);
    this.status = fields.status;
    this.code = fields.code;
    this.param = fields.param;
    this.details = fields.details;
    this.requestId = fields.requestId;
    this.retryAfterMs = fields.retryAfterMs;
  }
}

/** 400: the request is wrong. */
export class BadRequestError extends ApiError {}
/** 400 or 412 with `FAILED_PRECONDITION`: the state of a resource doesn't allow the request. */
export class FailedPreconditionError extends ApiError {}
/** 401: the key is missing, wrong or expired. */
export class AuthenticationError extends ApiError {}
/** 403 */
export class PermissionDeniedError extends ApiError {}
/** 404: the resource doesn't exist, or you may not see it. */
export class NotFoundError extends ApiError {}
/** 409: the resource exists already, or another request is changing it. */
export class ConflictError extends ApiError {}
/** 429 */
export class RateLimitError extends ApiError {}
/** 5xx */
export class ServerError extends ApiError {}
/** 503: the server is overloaded or starting; a later attempt can succeed. */
export class UnavailableError extends ServerError {}

const BY_STATUS: Record<number, new (fields: ApiErrorFields) => ApiError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  412: FailedPreconditionError,
  429: RateLimitError,
  503: UnavailableError,
};

/** Names of the gRPC codes; the position is the number. */
const GRPC_CODES =
  "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED".split(
    " ",
  );

/** The error of the class that fits the status and code. */
export function apiError(fields: ApiErrorFields): ApiError {
  if (fields.code === "FAILED_PRECONDITION") return new FailedPreconditionError(fields);
  const Class = BY_STATUS[fields.status] ?? (fields.status >= 500 ? ServerError : ApiError);
  return new Class(fields);
}

/**
 * Parses an error body: the control plane's `{code, message, details}`, the data plane's `{error: {…}}` or that of the
 * Messages endpoint. Null for anything else.
 */
export function readErrorBody(
  body: unknown,
): Pick<ApiErrorFields, "code" | "message" | "param" | "details"> | null {
  const outer = asRecord(body);
  if (outer === null) return null;
  const inner = asRecord(outer["error"]) ?? outer;
  const message = typeof outer["error"] === "string" ? outer["error"] : inner["message"];
  if (typeof message !== "string") return null;
  const { code = inner["type"], param } = inner;
  const details = Array.isArray(inner["details"]) ? inner["details"] : [];
  return {
    message,
    code: typeof code === "number" ? (GRPC_CODES[code] ?? String(code)) : String(code ?? ""),
    param: typeof param === "string" ? param : violatedField(details),
    details,
  };
}

function violatedField(details: readonly unknown[]): string | null {
  for (const detail of details) {
    const violations = asRecord(detail)?.["fieldViolations"];
    const field = Array.isArray(violations) ? asRecord(violations[0])?.["field"] : undefined;
    if (typeof field === "string") return field;
  }
  return null;
}

function asRecord(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
