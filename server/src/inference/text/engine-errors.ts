import type { EngineError, EngineErrorCode } from "../../engine/port.ts";
import { AppError, type ErrorCode } from "../../lib/errors.ts";

const CODES: Readonly<Record<EngineErrorCode, ErrorCode>> = {
  overloaded: "UNAVAILABLE",
  context_exceeded: "BAD_REQUEST",
  invalid: "BAD_REQUEST",
  invalid_prompt: "BAD_REQUEST",
  unsupported: "BAD_REQUEST",
  unavailable: "UNAVAILABLE",
  bad_reply: "BAD_GATEWAY",
  timeout: "DEADLINE_EXCEEDED",
  internal: "INTERNAL",
};

const BLAMES_PROMPT: ReadonlySet<EngineErrorCode> = new Set(["context_exceeded", "invalid_prompt"]);

/** Seconds after which a full queue or a restarting replica is worth another try. */
const RETRY_AFTER_S = 1;

/** What a client is told of an engine's failure. `promptField` is blamed for what is wrong with the prompt. */
export function toPublicError(error: EngineError, promptField: string): AppError {
  const code = CODES[error.code];
  return new AppError(code, error.message, {
    cause: error,
    ...(BLAMES_PROMPT.has(error.code) ? { param: promptField } : {}),
    ...(code === "UNAVAILABLE" ? { retryAfterS: RETRY_AFTER_S } : {}),
  });
}
