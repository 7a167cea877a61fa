import { EngineError } from "./errors.ts";

/**
 * Most tokens that can be generated after a prompt of `promptTokens` in a context of `contextLength` tokens.
 * @throws EngineError `context_exceeded` when the prompt alone doesn't fit, `invalid_prompt` when it is empty.
 */
export function clampToContext(promptTokens: number, maxTokens: number, contextLength: number): number {
  if (promptTokens === 0) throw new EngineError("invalid_prompt", "The prompt is empty: it has no tokens.");
  if (promptTokens > contextLength) {
    throw contextExceededError(promptTokens, contextLength);
  }
  return Math.min(maxTokens, contextLength - promptTokens);
}

/** In OpenAI's words, by which clients recognise this error. @param promptTokens a number, or "at least n". */
export function contextExceededError(promptTokens: number | string, contextLength: number): EngineError {
  return new EngineError(
    "context_exceeded",
    `This model's maximum context length is ${contextLength} tokens, but the prompt has ${promptTokens} tokens.`,
  );
}
