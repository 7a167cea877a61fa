import type { EngineError, EngineErrorCode } from "../../engine/errors.ts";
import { AppError, type ErrorCode } from "../../lib/errors.ts";

const CODES: Readonly<Record<EngineErrorCode, ErrorCode>> = {
  overloaded: "UNAVAILABLE",
  context_exceeded: "BAD_REQUEST",
  invalid: "BAD_REQUEST",
  invalid_prompt: "BAD_REQUEST",
  invalid_bias: "BAD_REQUEST",
  invalid_prediction: "BAD_REQUEST",
  unsupported: "BAD_REQUEST",
  unavailable: "UNAVAILABLE",
  bad_reply: "BAD_GATEWAY",
  timeout: "DEADLINE_EXCEEDED",
  internal: "INTERNAL",
};

/** For each engine error that one field of the request causes: that field's name. */
export type EngineErrorFields = Readonly<Partial<Record<EngineErrorCode, string>>>;

/** Seconds until a queue has room again or a restarted replica is ready, at the earliest. */
const RETRY_AFTER_S = 1;

/** The public error for an engine's failure, with `param` from `fields`. */
export function toPublicError(error: EngineError, fields: EngineErrorFields): AppError {
  const code = CODES[error.code];
  const param = fields[error.code];
  return new AppError(code, error.message, {
    cause: error,
    ...(param === undefined ? {} : { param }),
    ...(code === "UNAVAILABLE" ? { retryAfterS: RETRY_AFTER_S } : {}),
  });
}
