import { type TokenInfo, UNKNOWN_TOKEN } from "../../engine/generation.ts";
import { badRequest } from "../../lib/errors.ts";
import type { TextParameters } from "./parameters.ts";

/** Layout of the log probabilities: the legacy arrays for `logprobs: <integer>`, OpenAI's objects for `logprobs: true`. */
export interface LogprobFormat {
  kind: "legacy" | "openai";
  /** Alternatives for each token, 0–20. */
  top: number;
}

/** Null: no log probabilities. @throws AppError BAD_REQUEST when `top_logprobs` contradicts `logprobs`. */
export function parseLogprobFormat(p: TextParameters): LogprobFormat | null {
  if (typeof p.logprobs === "number") {
    if (p.top_logprobs != null && p.top_logprobs !== p.logprobs) {
      throw badRequest("top_logprobs", "top_logprobs goes with logprobs: true; an integer sets both.");
    }
    return { kind: "legacy", top: p.logprobs };
  }
  if (p.logprobs === true) return { kind: "openai", top: p.top_logprobs ?? 0 };
  if (p.top_logprobs) throw badRequest("top_logprobs", "top_logprobs needs logprobs: true.");
  return null;
}

/** A token of a response. */
interface ResponseToken extends TokenInfo {
  text: string;
  /** UTF-16 units of the choice's text before the token. */
  offset: number;
}

/** The tokens of one choice in order, with their offsets in its text. */
export class TokenLog {
  readonly #entries: ResponseToken[] = [];
  readonly #decoder = new TextDecoder();
  #chars = 0;
  #taken = 0;

  add(tokens: readonly TokenInfo[]): void {
    for (const token of tokens) {
      this.#entries.push({ ...token, text: decodeUtf8(token.bytes), offset: this.#chars });
      this.#chars += this.#decoder.decode(token.bytes, { stream: true }).length;
    }
  }

  /** The tokens since the previous call. */
  takeNew(): ResponseToken[] {
    const entries = this.#entries.slice(this.#taken);
    this.#taken = this.#entries.length;
    return entries;
  }

  get all(): readonly ResponseToken[] {
    return this.#entries;
  }
}

export function decodeUtf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

export function logprobsJson(entries: readonly ResponseToken[], format: LogprobFormat): string {
  return JSON.stringify(
    format.kind === "legacy" ? legacyLogprobs(entries, format.top) : openAiLogprobs(entries),
  );
}

/** The contract allows no null: the first token of a prompt, which has no prediction, gets the log probability 0. */
function legacyLogprobs(entries: readonly ResponseToken[], top: number): object {
  const alternatives = (entry: ResponseToken) =>
    Object.fromEntries(entry.top.map((other) => [decodeUtf8(other.bytes), other.logprob]));
  return {
    tokens: entries.map((entry) => entry.text),
    token_ids: entries.some(({ id }) => id === UNKNOWN_TOKEN) ? null : entries.map(({ id }) => id),
    token_logprobs: entries.map((entry) => entry.logprob ?? 0),
    top_logprobs: top === 0 ? null : entries.map(alternatives),
    text_offset: entries.map((entry) => entry.offset),
  };
}

/** Undefined when unknown, so that JSON.stringify leaves the member out. */
function knownTokenId(id: number): number | undefined {
  return id === UNKNOWN_TOKEN ? undefined : id;
}

function openAiLogprobs(entries: readonly ResponseToken[]): object {
  return {
    content: entries.map(({ text, id, bytes, logprob, top, offset }) => ({
      token: text,
      logprob: logprob ?? 0,
      bytes: [...bytes],
      top_logprobs: top.map((other) => ({
        token: decodeUtf8(other.bytes),
        logprob: other.logprob,
        token_id: knownTokenId(other.id),
        bytes: [...other.bytes],
      })),
      token_id: knownTokenId(id),
      text_offset: offset,
    })),
  };
}
