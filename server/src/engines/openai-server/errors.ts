/** Converts a model server's failures to engine errors. A server's text is passed on only if `publicMessage` allows it. */
import { contextExceededError } from "../../engine/context-limit.ts";
import { EngineError } from "../../engine/errors.ts";
import type { GenerateRequest } from "../../engine/generation.ts";

const MAX_PUBLIC_CHARS = 200;
/** A message that shares this many consecutive characters with the prompt counts as quoting it. */
const QUOTE_CHARS = 16;
const PRIVATE_DETAIL =
  /https?:|traceback|file "|[/\\][\w.-]+[/\\]|\bat \S+:\d|bearer|api[-_ ]?key|\b(?:sk|fw)[-_]/i;

/** @param error a transport failure that undici reported. */
export function transportError(error: unknown): EngineError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") {
    return new EngineError("timeout", "The model server did not answer in time.", error);
  }
  if (code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW") return badResponse(error);
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") {
    return new EngineError("unavailable", "The model server's connection is closing.", error);
  }
  return new EngineError("unavailable", "The model server could not be reached or broke off.", error);
}

export function badResponse(cause?: unknown): EngineError {
  return new EngineError("bad_reply", "The model server's response is malformed.", cause);
}

/** The numbers in a server's refusal of a request that exceeds the context. */
export interface ContextOverflow {
  contextTokens: number;
  promptTokens: number;
  /** False: `promptTokens` is only a lower bound, as the server stopped counting. */
  exact: boolean;
}

/** The error object of a response: `{error: {…}}`, or the object itself (older vLLM). */
function errorObject(body: unknown): Record<string, unknown> {
  if (typeof body !== "object" || body === null) return {};
  const inner = (body as Record<string, unknown>)["error"];
  if (typeof inner === "object" && inner !== null) return inner as Record<string, unknown>;
  return typeof inner === "string" ? { message: inner } : (body as Record<string, unknown>);
}

/**
 * Parses the messages of vLLM, SGLang and llama-server about a request that doesn't fit the context. Null when the
 * message is about something else or has no numbers.
 */
export function parseContextOverflow(body: unknown): ContextOverflow | null {
  const error = errorObject(body);
  if (typeof error["n_ctx"] === "number" && typeof error["n_prompt_tokens"] === "number") {
    return { contextTokens: error["n_ctx"], promptTokens: error["n_prompt_tokens"], exact: true };
  }
  const message = typeof error["message"] === "string" ? error["message"].slice(0, 2_000) : "";
  const context = /context (?:length|size) (?:is |of |\()(\d+)/i.exec(message);
  const prompt =
    /(at least )?(\d+) (?:input tokens|tokens from the input|in the (?:messages|prompt))/i.exec(message) ??
    /(at least )?(?:resulted in|request \(|prompt (?:contains|has) )(\d+)/i.exec(message);
  if (context === null || prompt === null) return null;
  return {
    contextTokens: Number(context[1]),
    promptTokens: Number(prompt[2]),
    exact: prompt[1] === undefined,
  };
}

function isContextError(error: Record<string, unknown>, message: string): boolean {
  return (
    error["type"] === "exceed_context_size_error" ||
    error["code"] === "context_length_exceeded" ||
    /context (?:length|size|window)/i.test(message)
  );
}

/** @param body the parsed response; null when it was not JSON. @param request for the check that no message quotes it. */
export function statusError(status: number, body: unknown, request: GenerateRequest | null): EngineError {
  if (status === 429 || status === 503) {
    return new EngineError("overloaded", "The model server is busy.", httpCause(status));
  }
  if (status === 408) {
    return new EngineError("timeout", "The model server did not answer in time.", httpCause(status));
  }
  // A wrong key, model name or route is the operator's mistake, and another replica may be configured correctly.
  if (status >= 500 || status === 401 || status === 403 || status === 404 || status === 405) {
    return new EngineError("unavailable", "The model server failed.", httpCause(status));
  }
  if (status < 400 || body === null) return badResponse(httpCause(status));
  const error = errorObject(body);
  const message = typeof error["message"] === "string" ? error["message"] : "";
  if (isContextError(error, message)) {
    const numbers = parseContextOverflow(body);
    if (numbers !== null) return contextExceededError(numbers.promptTokens, numbers.contextTokens);
    return new EngineError(
      "context_exceeded",
      "The prompt does not fit the model's context.",
      httpCause(status),
    );
  }
  const shown = publicMessage(message, request);
  const text =
    shown === null
      ? "The model server refused the request."
      : `The model server refused the request: ${shown}`;
  return new EngineError("invalid", text, httpCause(status));
}

function httpCause(status: number): Error {
  return new Error(`the model server answered HTTP ${status}`);
}

/**
 * The server's message if it is safe to show: one short line without control characters that holds no path, key
 * or stack and does not quote the prompt. Null otherwise.
 */
function publicMessage(message: string, request: GenerateRequest | null): string | null {
  const text = message.slice(0, 4 * MAX_PUBLIC_CHARS).trim();
  if (text === "" || text.length > MAX_PUBLIC_CHARS) return null;
  if (/[^\x20-\x7e]/.test(text) || PRIVATE_DETAIL.test(text)) return null;
  if (request !== null && quotesPrompt(text, request)) return null;
  return text;
}

function quotesPrompt(text: string, { input }: GenerateRequest): boolean {
  if (input.kind === "tokens") return false;
  const parts = input.kind === "text" ? [input.text] : input.messages.map((message) => message.content);
  return parts.some((part) => {
    if (part.length < QUOTE_CHARS) return part.length > 3 && text.includes(part);
    for (let at = 0; at + QUOTE_CHARS <= text.length; at += 1) {
      if (part.includes(text.slice(at, at + QUOTE_CHARS))) return true;
    }
    return false;
  });
}
