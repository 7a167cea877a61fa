import { type TokenInfo, UNKNOWN_TOKEN } from "../../engine/generation.ts";
import { badRequest } from "../../lib/errors.ts";
import type { TextParameters } from "./parameters.ts";

/** Which log probabilities a reply carries: the older arrays (an integer asked for them) or OpenAI's objects (true did). */
export interface LogprobFormat {
  kind: "legacy" | "openai";
  /** Alternatives a token, 0–5. */
  top: number;
}

/** @throws AppError BAD_REQUEST for alternatives without the log probabilities they belong to. */
export function parseLogprobFormat(p: TextParameters): LogprobFormat | null {
  if (typeof p.logprobs === "number") {
    if (p.top_logprobs != null && p.top_logprobs !== p.logprobs) {
      throw badRequest("top_logprobs", "top_logprobs goes with logprobs: true; an integer says both.");
    }
    return { kind: "legacy", top: p.logprobs };
  }
  if (p.logprobs === true) return { kind: "openai", top: p.top_logprobs ?? 0 };
  if (p.top_logprobs) throw badRequest("top_logprobs", "top_logprobs needs logprobs: true.");
  return null;
}

/** A token as a reply shows it. */
interface ResponseToken extends TokenInfo {
  text: string;
  /** Characters of the reply before it. */
  offset: number;
}

/** The tokens of one choice in order, with where they stand in its text. */
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

  /** What came since the last call. */
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

export function logprobsJson(entries: readonly ResponseToken[], form: LogprobFormat): string {
  return JSON.stringify(form.kind === "legacy" ? legacyLogprobs(entries, form.top) : openAiLogprobs(entries));
}

/** The contract has numbers only: the first token of a prompt, which nothing predicts, counts as certain. */
function legacyLogprobs(entries: readonly ResponseToken[], top: number): object {
  const named = (entry: ResponseToken) =>
    Object.fromEntries(entry.top.map((other) => [decodeUtf8(other.bytes), other.logprob]));
  return {
    tokens: entries.map((entry) => entry.text),
    token_ids: entries.some(({ id }) => id === UNKNOWN_TOKEN) ? null : entries.map(({ id }) => id),
    token_logprobs: entries.map((entry) => entry.logprob ?? 0),
    top_logprobs: top === 0 ? null : entries.map(named),
    text_offset: entries.map((entry) => entry.offset),
  };
}

/** Undefined members are left out. */
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
