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

const PROMPT = Symbol("the endpoint's field of the prompt");

/** Whose fault it is; only `speculation` takes tokens. */
const FIELDS: Partial<Readonly<Record<EngineErrorCode, string | typeof PROMPT>>> = {
  context_exceeded: PROMPT,
  invalid_prompt: PROMPT,
  invalid_bias: "logit_bias",
  invalid_prediction: "speculation",
};

/** Seconds after which a full queue or a restarting replica is worth another try. */
const RETRY_AFTER_S = 1;

/** What a client is told of an engine's failure. `promptField` is blamed for what is wrong with the prompt. */
export function toPublicError(error: EngineError, promptField: string): AppError {
  const code = CODES[error.code];
  const field = FIELDS[error.code];
  return new AppError(code, error.message, {
    cause: error,
    ...(field === undefined ? {} : { param: field === PROMPT ? promptField : field }),
    ...(code === "UNAVAILABLE" ? { retryAfterS: RETRY_AFTER_S } : {}),
  });
}
