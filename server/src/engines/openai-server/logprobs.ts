/** Parses a response's log probabilities: OpenAI's objects, or the older arrays of text completion. */
import { type TokenInfo, UNKNOWN_TOKEN } from "../../engine/generation.ts";
import { badResponse } from "./errors.ts";

/**
 * The tokens of one choice or of one chunk of it; empty when the response has none.
 * @param ids the server's list of token ids, if it sent one; ignored when its length differs from the tokens'.
 * @throws EngineError `bad_reply`.
 */
export function parseLogprobs(logprobs: unknown, ids: unknown): TokenInfo[] {
  if (logprobs === null || logprobs === undefined) return [];
  if (typeof logprobs !== "object") throw badResponse();
  const { content, tokens } = logprobs as { content?: unknown; tokens?: unknown };
  const list = content ?? tokens ?? [];
  if (!Array.isArray(list)) throw badResponse();
  const idOf = (index: number): number =>
    Array.isArray(ids) && ids.length === list.length && Number.isInteger(ids[index])
      ? ids[index]
      : UNKNOWN_TOKEN;
  return content == null
    ? list.map((_, index) => completionToken(logprobs as CompletionLogprobs, index, idOf(index)))
    : list.map((entry, index) => ({ ...token(entry), id: idOf(index), top: alternatives(entry) }));
}

function alternatives(entry: unknown): TokenInfo["top"] {
  const top = (entry as { top_logprobs?: unknown }).top_logprobs ?? [];
  if (!Array.isArray(top)) throw badResponse();
  return top.map(token).sort((a, b) => b.logprob - a.logprob);
}

function token(entry: unknown): { id: number; bytes: Uint8Array; logprob: number } {
  const { token: text, bytes, logprob } = (entry ?? {}) as Record<string, unknown>;
  if (typeof text !== "string" || typeof logprob !== "number") throw badResponse();
  const isBytes =
    Array.isArray(bytes) && bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256);
  return { id: UNKNOWN_TOKEN, bytes: isBytes ? Uint8Array.from(bytes) : Buffer.from(text), logprob };
}

interface CompletionLogprobs {
  tokens: unknown[];
  token_logprobs?: unknown[];
  top_logprobs?: (Record<string, unknown> | null)[] | null;
}

function completionToken(logprobs: CompletionLogprobs, index: number, id: number): TokenInfo {
  const info = token({ token: logprobs.tokens[index], logprob: logprobs.token_logprobs?.[index] });
  const top = Object.entries(logprobs.top_logprobs?.[index] ?? {}).map(([text, logprob]) =>
    token({ token: text, logprob }),
  );
  return { ...info, id, top: top.sort((a, b) => b.logprob - a.logprob) };
}
