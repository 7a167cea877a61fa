/** Converts responses and stream chunks to engine events and counts the tokens that arrived. */
import { EngineError } from "../../engine/errors.ts";
import type { EngineEvent, EngineUsage, GenerateRequest } from "../../engine/generation.ts";
import { badResponse, statusError } from "./errors.ts";
import { parseLogprobs } from "./logprobs.ts";
import {
  estimatePromptTokens,
  estimateTokens,
  parseFinishReason,
  parseUsage,
  type ResponseBody,
  type ResponseChoice,
  type ResponseMessage,
} from "./protocol.ts";

export class ResponseToEvents {
  readonly #request: GenerateRequest;
  readonly #emit: (event: EngineEvent) => void;
  readonly #finished: boolean[];
  #openChoices: number;
  /** The usage the server reported last. */
  #reportedUsage: EngineUsage | null = null;
  /** Whether any text has come. */
  hasOutput = false;
  /** Tokens of deltas that arrived since the server last reported the usage. */
  #unreportedTokens = 0;

  constructor(request: GenerateRequest, emit: (event: EngineEvent) => void) {
    this.#request = request;
    this.#emit = emit;
    this.#finished = new Array<boolean>(request.n).fill(false);
    this.#openChoices = request.n;
  }

  /** Whether every choice has its finish reason. */
  get complete(): boolean {
    return this.#openChoices === 0;
  }

  /** Takes the response to a request that did not stream. @throws EngineError `bad_reply`. */
  response(response: ResponseBody): void {
    if (!Array.isArray(response?.choices)) throw badResponse();
    for (const choice of response.choices) this.#choice(choice, false);
    if (!this.complete) throw badResponse();
    this.#updateUsage(response);
  }

  /** Takes one chunk of a stream. @throws EngineError. */
  chunk(chunk: ResponseBody): void {
    if (chunk === null || typeof chunk !== "object") throw badResponse();
    if (chunk.error !== undefined && chunk.error !== null) throw this.#streamError(chunk.error);
    if (chunk.choices !== undefined) {
      if (!Array.isArray(chunk.choices)) throw badResponse();
      for (const choice of chunk.choices) this.#choice(choice, true);
    }
    this.#updateUsage(chunk);
  }

  /** The server's last reported usage, or an estimate of the prompt, plus the deltas that arrived since. */
  usage(): EngineUsage {
    if (this.#request.maxTokens === 0) {
      return {
        promptTokens: this.#reportedUsage?.promptTokens ?? estimatePromptTokens(this.#request),
        cachedTokens: this.#reportedUsage?.cachedTokens ?? 0,
        completionTokens: 0,
      };
    }
    if (this.#reportedUsage === null) {
      return {
        promptTokens: estimatePromptTokens(this.#request),
        cachedTokens: 0,
        completionTokens: this.#unreportedTokens,
      };
    }
    if (this.#unreportedTokens === 0) return this.#reportedUsage;
    return {
      ...this.#reportedUsage,
      completionTokens: this.#reportedUsage.completionTokens + this.#unreportedTokens,
    };
  }

  #updateUsage(body: ResponseBody): void {
    const usage = parseUsage(body.usage);
    if (usage === null) return;
    this.#reportedUsage = usage;
    this.#unreportedTokens = 0;
  }

  #choice(choice: ResponseChoice, streamed: boolean): void {
    const index = choice?.index ?? 0;
    if (this.#finished[index] === undefined) throw badResponse();
    if (this.#finished[index]) return;
    this.#text(index, choice, streamed);
    const reason = choice.finish_reason;
    if (reason === null || reason === undefined) return;
    if (typeof reason !== "string") throw badResponse();
    const finish = this.#request.maxTokens === 0 ? "length" : parseFinishReason(reason);
    if (finish === null) throw new EngineError("unavailable", "The model server aborted the request.");
    this.#finished[index] = true;
    this.#openChoices -= 1;
    this.#emit({ type: "finish", choice: index, reason: finish });
  }

  /** Plain text takes the short way: it is nearly every chunk. */
  #text(index: number, choice: ResponseChoice, streamed: boolean): void {
    const part = (streamed ? choice.delta : choice.message) ?? null;
    const isPlain =
      part === null || (part.reasoning_content ?? part.reasoning ?? part.tool_calls ?? null) === null;
    if (!isPlain || this.#request.logprobs !== undefined) {
      this.#parts(
        index,
        choice,
        part === null ? [{ text: textOf(choice.text) }] : deltaPartsOf(part, streamed),
        streamed,
      );
      return;
    }
    const text = textOf(part === null ? choice.text : part.content);
    if (text === "") return;
    this.#count(text, streamed);
    if (this.#request.maxTokens > 0) this.#emit({ type: "delta", choice: index, text });
  }

  #parts(index: number, choice: ResponseChoice, allParts: readonly DeltaPart[], streamed: boolean): void {
    const parts = allParts.filter((part) => part.text !== "" || part.as !== undefined);
    if (parts.length > 0) this.#count(parts.map((part) => part.text).join(""), streamed);
    if (this.#request.maxTokens === 0) return;
    const { logprobs } = this.#request;
    let tokens = logprobs === undefined ? [] : parseLogprobs(choice.logprobs, choice.token_ids);
    if (parts.length === 0 && tokens.length > 0) parts.push({ text: "" });
    for (const part of parts) {
      this.#emit({ type: "delta", choice: index, ...part, ...(tokens.length > 0 ? { tokens } : {}) });
      tokens = [];
    }
  }

  /** Every known server streams one token a delta; the tokens of a whole text can only be estimated. */
  #count(text: string, streamed: boolean): void {
    this.hasOutput = true;
    this.#unreportedTokens += streamed ? 1 : estimateTokens(text);
  }

  #streamError(error: unknown): EngineError {
    const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
    const status = typeof code === "number" && code >= 400 && code <= 599 ? code : 500;
    return statusError(status, { error }, this.#request);
  }
}

type DeltaPart = Pick<Extract<EngineEvent, { type: "delta" }>, "text" | "as">;

/** Reasoning, content and tool calls, in this order. @throws EngineError `bad_reply`. */
function deltaPartsOf(part: ResponseMessage, streamed: boolean): DeltaPart[] {
  const toolCalls = part.tool_calls ?? [];
  if (!Array.isArray(toolCalls)) throw badResponse();
  const parts: DeltaPart[] = [];
  const reasoning = textOf(part.reasoning_content ?? part.reasoning);
  if (reasoning !== "") parts.push({ text: reasoning, as: "reasoning" });
  parts.push({ text: textOf(part.content) });
  for (const [position, call] of toolCalls.entries()) parts.push(toolCallPart(call, position, streamed));
  return parts;
}

function toolCallPart(call: unknown, position: number, streamed: boolean): DeltaPart {
  const { index: sentIndex, id, function: calledFunction } = (call ?? {}) as Record<string, unknown>;
  const { name, arguments: args } = (calledFunction ?? {}) as Record<string, unknown>;
  const index = streamed ? (sentIndex ?? position) : position;
  if (!Number.isInteger(index) || (index as number) < 0) throw badResponse();
  // Arguments are a JSON text; some servers send the object itself in a whole response.
  const text = typeof args === "object" && args !== null ? JSON.stringify(args) : textOf(args);
  return { text, as: { index: index as number, id: textOf(id) || null, name: textOf(name) || null } };
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw badResponse();
  return value;
}
