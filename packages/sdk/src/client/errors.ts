/** What the SDK throws. No message holds an API key. */

/** The base of all errors of the SDK. */
export class FireworksError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** An argument or setting that can't work; nothing was sent. */
export class InputError extends FireworksError {
  /** The argument's name. */
  readonly param: string;

  constructor(param: string, message: string) {
    super(message);
    this.param = param;
  }
}

/** No whole answer came: the host is unknown, refuses, or the connection broke. The message names the host. */
export class ConnectionError extends FireworksError {
  /** Whether the request may have reached the host. */
  readonly maybeSent: boolean;

  constructor(message: string, maybeSent = true) {
    super(message);
    this.maybeSent = maybeSent;
  }
}

/** No answer came in time. */
export class TimeoutError extends ConnectionError {}

/** The host answered with something that this API never says, such as a web page. The message names the host. */
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
  /** Such as `NOT_FOUND`. */
  code: string;
  message: string;
  /** The field or parameter that the API complains about. */
  param: string | null;
  /** As the control plane has them. */
  details: readonly unknown[];
  requestId: string | null;
  /** How long the server asks to wait. */
  retryAfterMs: number | null;
}

/** An error that the API answered. */
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
/** 400 or 412 with `FAILED_PRECONDITION`: not in the state that things are in. */
export class FailedPreconditionError extends ApiError {}
/** 401: the key is missing, wrong or expired. */
export class AuthenticationError extends ApiError {}
/** 403 */
export class PermissionDeniedError extends ApiError {}
/** 404: it doesn't exist, or is not yours to see. */
export class NotFoundError extends ApiError {}
/** 409: it exists already, or is being changed by another request. */
export class ConflictError extends ApiError {}
/** 429 */
export class RateLimitError extends ApiError {}
/** 5xx */
export class ServerError extends ApiError {}
/** 503: overloaded or starting; trying later helps. */
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

/** Numbers of gRPC, by position. */
const GRPC_CODES =
  "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED".split(
    " ",
  );

/** The error of its status and code. */
export function apiError(fields: ApiErrorFields): ApiError {
  if (fields.code === "FAILED_PRECONDITION") return new FailedPreconditionError(fields);
  const Class = BY_STATUS[fields.status] ?? (fields.status >= 500 ? ServerError : ApiError);
  return new Class(fields);
}

/**
 * What an error's body says: the control plane's `{code, message, details}`, the data plane's `{error: {…}}` and the one of
 * the Messages endpoint. Null for anything else.
 */
export function readErrorBody(
  body: unknown,
): Pick<ApiErrorFields, "code" | "message" | "param" | "details"> | null {
  const outer = record(body);
  if (outer === null) return null;
  const inner = record(outer["error"]) ?? outer;
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
    const violations = record(detail)?.["fieldViolations"];
    const field = Array.isArray(violations) ? record(violations[0])?.["field"] : undefined;
    if (typeof field === "string") return field;
  }
  return null;
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
