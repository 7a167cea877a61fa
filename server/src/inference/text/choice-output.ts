import type { FinishReason, TokenInfo, ToolCallFragment } from "../../engine/generation.ts";
import type { ResponseOptions } from "./engine-request.ts";
import { decodeUtf8, logprobsJson, TokenLog } from "./logprobs.ts";
import type { ChoiceFinishReason, ContentPart, OutputParser } from "./output-parser.ts";
import { type ChoiceExtras, type CompletedChoice, NO_EXTRAS } from "./response-serializer.ts";
import { AssembledMessage, type ResponseToolCall } from "./tools/response-message.ts";

/** The prompt of a choice, for responses that show it. */
export interface ReturnedPrompt {
  tokens: readonly TokenInfo[];
  fragments: readonly string[];
}

/** Collects the parts and tokens of one choice while it is generated, and gives the extras that the request asks for. */
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

  constructor(parser: OutputParser, options: ResponseOptions) {
    this.#parser = parser;
    this.#options = options;
    const needsTokens = options.logprobs !== null || options.tokenIds || options.rawOutput;
    this.#tokenLog = needsTokens ? new TokenLog() : null;
  }

  /** Adds the prompt, before any text. Returns the echoed part of it. */
  addPrompt(prompt: ReturnedPrompt): readonly ContentPart[] {
    this.#prompt = prompt;
    const { echo, logprobs } = this.#options;
    if (echo === null) return [];
    const echoed = prompt.tokens.slice(-echo.last);
    if (logprobs !== null) this.#tokenLog?.add(echoed);
    const text = decodeUtf8(Buffer.concat(echoed.map((token) => token.bytes)));
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

  /**
   * The extras of one chunk, about the tokens since the previous call.
   * @param last the chunk ends the choice.
   */
  takeExtras(last: boolean): ChoiceExtras {
    if (this.#tokenLog === null && this.#prompt === null) return NO_EXTRAS;
    return this.#extrasOf(this.#tokenLog?.takeNew() ?? [], last);
  }

  get toolCalls(): readonly ResponseToolCall[] {
    return this.#assembled.toolCalls;
  }

  toCompletedChoice(): CompletedChoice {
    const { content, toolCalls } = this.#assembled;
    const hasNoExtras = this.#tokenLog === null && this.#prompt === null;
    const extras = hasNoExtras ? NO_EXTRAS : this.#extrasOf(this.#tokenLog?.all ?? [], true);
    return {
      content,
      reasoning: this.#reasoning,
      toolCalls,
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
    const all = this.#tokenLog?.all ?? [];
    // Echoed prompt tokens come before the completion's in the log.
    const completion =
      echo !== null && logprobs !== null ? all.slice(Math.min(echo.last, tokens.length)) : all;
    return JSON.stringify({
      prompt_fragments:
        fragments.length > 0 ? fragments : [decodeUtf8(Buffer.concat(tokens.map((token) => token.bytes)))],
      prompt_token_ids: tokens.map((token) => token.id),
      completion: this.#rawText,
      completion_token_ids: completion.map((entry) => entry.id),
      completion_logprobs:
        logprobs === null
          ? null
          : JSON.parse(logprobsJson(completion, { kind: "openai", top: logprobs.top })),
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
