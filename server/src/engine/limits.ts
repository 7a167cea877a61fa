import { EngineError } from "./port.ts";

/**
 * Most tokens that may be made after a prompt of `promptTokens` in a context of `contextLength` tokens.
 * @throws EngineError `context_exceeded` when the prompt alone doesn't fit, `invalid_prompt` when it is empty.
 */
export function fitToContext(promptTokens: number, maxTokens: number, contextLength: number): number {
  if (promptTokens === 0) throw new EngineError("invalid_prompt", "The prompt is empty: it has no tokens.");
  if (promptTokens > contextLength) {
    throw new EngineError(
      "context_exceeded",
      `The prompt has ${promptTokens} tokens, but the model's context length is ${contextLength} tokens.`,
    );
  }
  return Math.min(maxTokens, contextLength - promptTokens);
}
