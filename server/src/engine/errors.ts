export type EngineErrorCode =
  /** The queue is full. Retryable. */
  | "overloaded"
  /** The prompt alone does not fit the context; `message` gives both numbers. */
  | "context_exceeded"
  /** The request is not valid for this engine. */
  | "invalid"
  /** The prompt is empty, or has a token id that doesn't exist. */
  | "invalid_prompt"
  /** A biased token id doesn't exist. */
  | "invalid_bias"
  /** The prediction has a token id that doesn't exist. */
  | "invalid_prediction"
  /** The engine lacks what the request needs, in every state. */
  | "unsupported"
  /** The engine died, is closing or can't be reached. Retryable on another replica. */
  | "unavailable"
  /** The engine's response can't be parsed. */
  | "bad_reply"
  /** The engine did not respond in time. Retryable. */
  | "timeout"
  | "internal";

/** Codes after which the same request may succeed. Exhaustive, so that a new code has to decide. */
const RETRYABLE: Readonly<Record<EngineErrorCode, boolean>> = {
  overloaded: true,
  context_exceeded: false,
  invalid: false,
  invalid_prompt: false,
  invalid_bias: false,
  invalid_prediction: false,
  unsupported: false,
  unavailable: true,
  bad_reply: false,
  timeout: true,
  internal: false,
};

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  /** The same request may succeed on another replica or later, provided no output was delivered yet. */
  readonly retryable: boolean;

  /**
   * @param message safe to show to the client: no prompt, path or stack.
   * @param cause the error underneath, for the log only.
   */
  constructor(code: EngineErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "EngineError";
    this.code = code;
    this.retryable = RETRYABLE[code];
  }
}
