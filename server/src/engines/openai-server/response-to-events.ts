/** Turns replies and stream chunks into engine events and keeps the count of what arrived. */
import { EngineError, type EngineEvent, type EngineUsage, type GenerateRequest } from "../../engine/port.ts";
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
  /** The latest usage the server told. */
  #reportedUsage: EngineUsage | null = null;
  /** Tokens of deltas that arrived since the server last told the usage. */
  #unreportedTokens = 0;

  constructor(request: GenerateRequest, emit: (event: EngineEvent) => void) {
    this.#request = request;
    this.#emit = emit;
    this.#finished = new Array<boolean>(request.n).fill(false);
    this.#openChoices = request.n;
  }

  /** Every choice has its finish reason. */
  get complete(): boolean {
    return this.#openChoices === 0;
  }

  /** A whole reply to a request that did not stream. @throws EngineError `bad_reply`. */
  response(reply: ResponseBody): void {
    if (!Array.isArray(reply?.choices)) throw badResponse();
    for (const choice of reply.choices) this.#choice(choice, false);
    if (!this.complete) throw badResponse();
    this.#updateUsage(reply);
  }

  /** One chunk of a stream. @throws EngineError. */
  chunk(chunk: ResponseBody): void {
    if (chunk === null || typeof chunk !== "object") throw badResponse();
    if (chunk.error !== undefined && chunk.error !== null) throw this.#streamError(chunk.error);
    if (chunk.choices !== undefined) {
      if (!Array.isArray(chunk.choices)) throw badResponse();
      for (const choice of chunk.choices) this.#choice(choice, true);
    }
    this.#updateUsage(chunk);
  }

  /** The server's count where it told one, brought up to date with the deltas that came after. */
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

  #updateUsage(reply: ResponseBody): void {
    const usage = parseUsage(reply.usage);
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
    if (finish === null) throw new EngineError("unavailable", "The model server gave the request up.");
    this.#finished[index] = true;
    this.#openChoices -= 1;
    this.#emit({ type: "finish", choice: index, reason: finish });
  }

  #text(index: number, choice: ResponseChoice, streamed: boolean): void {
    const part = (streamed ? choice.delta : choice.message) ?? null;
    const isPlain =
      part === null || (part.reasoning_content ?? part.reasoning ?? part.tool_calls ?? null) === null;
    if (!isPlain || this.#request.logprobs !== undefined) {
      this.#pieces(
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

  #pieces(index: number, choice: ResponseChoice, all: readonly DeltaPart[], streamed: boolean): void {
    const pieces = all.filter((piece) => piece.text !== "" || piece.as !== undefined);
    if (pieces.length > 0) this.#count(pieces.map((piece) => piece.text).join(""), streamed);
    if (this.#request.maxTokens === 0) return;
    const { logprobs } = this.#request;
    let tokens = logprobs === undefined ? [] : parseLogprobs(choice.logprobs, choice.token_ids);
    if (pieces.length === 0 && tokens.length > 0) pieces.push({ text: "" });
    for (const piece of pieces) {
      this.#emit({ type: "delta", choice: index, ...piece, ...(tokens.length > 0 ? { tokens } : {}) });
      tokens = [];
    }
  }

  /** A streamed delta is one token on every server known; a whole text can only be estimated. */
  #count(text: string, streamed: boolean): void {
    this.#unreportedTokens += streamed ? 1 : estimateTokens(text);
  }

  #streamError(error: unknown): EngineError {
    const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
    const status = typeof code === "number" && code >= 400 && code <= 599 ? code : 500;
    return statusError(status, { error }, this.#request);
  }
}

type DeltaPart = Pick<Extract<EngineEvent, { type: "delta" }>, "text" | "as">;

/** Reasoning, content and calls, in this order. @throws EngineError `bad_reply`. */
function deltaPartsOf(part: ResponseMessage, streamed: boolean): DeltaPart[] {
  const calls = part.tool_calls ?? [];
  if (!Array.isArray(calls)) throw badResponse();
  return [
    ...reasoningOf(part),
    { text: textOf(part.content) },
    ...calls.map((call, position) => toolCallPart(call, position, streamed)),
  ];
}

function reasoningOf(part: ResponseMessage): DeltaPart[] {
  const text = textOf(part.reasoning_content ?? part.reasoning);
  return text === "" ? [] : [{ text, as: "reasoning" }];
}

function toolCallPart(call: unknown, position: number, streamed: boolean): DeltaPart {
  const { index, id, function: called } = (call ?? {}) as Record<string, unknown>;
  const { name, arguments: given } = (called ?? {}) as Record<string, unknown>;
  const number = streamed ? (index ?? position) : position;
  if (!Number.isInteger(number) || (number as number) < 0) throw badResponse();
  // Arguments are a text; some servers send the object itself with a whole reply.
  const text = typeof given === "object" && given !== null ? JSON.stringify(given) : textOf(given);
  return { text, as: { index: number as number, id: textOf(id) || null, name: textOf(name) || null } };
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw badResponse();
  return value;
}
