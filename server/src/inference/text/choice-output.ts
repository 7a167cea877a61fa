import type { FinishReason, TokenInfo, ToolCallFragment } from "../../engine/generation.ts";
import type { ResponseOptions } from "./engine-request.ts";
import { decodeUtf8, logprobsJson, TokenLog } from "./logprobs.ts";
import type { ChoiceFinishReason, ContentPart, OutputParser } from "./output-parser.ts";
import { type ChoiceExtras, type CompletedChoice, NO_EXTRAS } from "./response-serializer.ts";
import { AssembledMessage } from "./tools/response-message.ts";

/** The prompt of a choice, where a reply shows it. */
export interface ReturnedPrompt {
  tokens: readonly TokenInfo[];
  fragments: readonly string[];
}

/** One choice as it grows: its parts, its tokens, and what of both was asked for. */
export class ChoiceOutput {
  readonly #parser: OutputParser;
  readonly #options: ResponseOptions;
  readonly #assembled = new AssembledMessage();
  readonly #tokenLog: TokenLog | null;
  #prompt: ReturnedPrompt | null = null;
  #promptIdsSent = false;
  #reasoning = "";
  #rawText = "";
  #finishReason: ChoiceFinishReason = "stop";

  constructor(reader: OutputParser, wishes: ResponseOptions) {
    this.#parser = reader;
    this.#options = wishes;
    const needsTokens = wishes.logprobs !== null || wishes.tokenIds || wishes.rawOutput;
    this.#tokenLog = needsTokens ? new TokenLog() : null;
  }

  /** Comes before any text. Gives what of it is part of the reply. */
  addPrompt(prompt: ReturnedPrompt): readonly ContentPart[] {
    this.#prompt = prompt;
    const { echo, logprobs } = this.#options;
    if (echo === null) return [];
    const shown = prompt.tokens.slice(-echo.last);
    if (logprobs !== null) this.#tokenLog?.add(shown);
    const text = decodeUtf8(Buffer.concat(shown.map((token) => token.bytes)));
    return this.#collect(text === "" ? [] : [{ type: "content", text }]);
  }

  addText(
    text: string,
    tokens: readonly TokenInfo[] | undefined,
    as?: "reasoning" | ToolCallFragment,
  ): readonly ContentPart[] {
    if (this.#options.rawOutput) this.#rawText += text;
    if (tokens !== undefined) this.#tokenLog?.add(tokens);
    return this.#collect(
      as === undefined ? this.#parser.push(text) : (this.#parser.pushParsed?.(text, as) ?? []),
    );
  }

  finish(reason: FinishReason): readonly ContentPart[] {
    const rest = this.#collect(this.#parser.flush());
    this.#finishReason = this.#parser.finishReason(reason);
    return rest;
  }

  get finishReason(): ChoiceFinishReason {
    return this.#finishReason;
  }

  /** What was asked for about the tokens since the last call; for a chunk. `last`: the chunk that ends the choice. */
  takeExtras(last: boolean): ChoiceExtras {
    if (this.#tokenLog === null && this.#prompt === null) return NO_EXTRAS;
    return this.#extrasOf(this.#tokenLog?.takeNew() ?? [], last);
  }

  toCompletedChoice(): CompletedChoice {
    const { content, toolCalls: calls } = this.#assembled;
    const plain = this.#tokenLog === null && this.#prompt === null;
    const extras = plain ? NO_EXTRAS : this.#extrasOf(this.#tokenLog?.all ?? [], true);
    return {
      content,
      reasoning: this.#reasoning,
      toolCalls: calls,
      finishReason: this.#finishReason,
      extras,
    };
  }

  #extrasOf(entries: ReturnType<TokenLog["takeNew"]> | TokenLog["all"], last: boolean): ChoiceExtras {
    const { logprobs, tokenIds, rawOutput } = this.#options;
    const extras: ChoiceExtras = {};
    if (logprobs !== null) extras.logprobs = logprobsJson(entries, logprobs);
    if (tokenIds) {
      extras.tokenIds = entries.map((entry) => entry.id);
      if (!this.#promptIdsSent && this.#prompt !== null) {
        extras.promptTokenIds = this.#prompt.tokens.map((token) => token.id);
        this.#promptIdsSent = true;
      }
    }
    if (rawOutput && last) extras.rawOutput = this.#rawOutputJson();
    return extras;
  }

  #rawOutputJson(): string {
    const { logprobs, echo } = this.#options;
    const tokens = this.#prompt?.tokens ?? [];
    const fragments = this.#prompt?.fragments ?? [];
    // Echoed prompt tokens stand in the log before the completion's.
    const all = this.#tokenLog?.all ?? [];
    const made = echo !== null && logprobs !== null ? all.slice(Math.min(echo.last, tokens.length)) : all;
    return JSON.stringify({
      prompt_fragments:
        fragments.length > 0 ? fragments : [decodeUtf8(Buffer.concat(tokens.map((token) => token.bytes)))],
      prompt_token_ids: tokens.map((token) => token.id),
      completion: this.#rawText,
      completion_token_ids: made.map((entry) => entry.id),
      completion_logprobs:
        logprobs === null ? null : JSON.parse(logprobsJson(made, { kind: "openai", top: logprobs.top })),
    });
  }

  #collect(parts: readonly ContentPart[]): readonly ContentPart[] {
    for (const part of parts) {
      if (part.type === "reasoning") this.#reasoning += part.text;
      else this.#assembled.add([part]);
    }
    return parts;
  }
}
