import type { LlamaModel } from "node-llama-cpp";
import { contextExceededError } from "../../../engine/context-limit.ts";
import { EngineError, type EngineErrorCode } from "../../../engine/errors.ts";
import type { EngineInput, GenerateRequest } from "../../../engine/generation.ts";
import { type TextEncoder, textEncoderOf } from "./text-encoder.ts";

/** Turns a request's input into token ids. Tokenizing blocks the process, so a text that can't fit is refused before. */
export class Tokenizer {
  readonly contextLength: number;
  readonly #model: LlamaModel;
  readonly #encoder: TextEncoder;
  readonly #vocabularySize: number;
  /** Characters of the longest token: a text has at least its length divided by this many tokens. */
  readonly #longestToken: number;

  constructor(model: LlamaModel, contextLength: number) {
    this.#model = model;
    this.#encoder = textEncoderOf(model);
    this.contextLength = contextLength;
    let longest = 1;
    let size = 0;
    for (const token of model.iterateAllTokens()) {
      size = Math.max(size, token + 1);
      longest = Math.max(longest, model.detokenize([token], true).length);
    }
    this.#vocabularySize = size;
    this.#longestToken = longest;
  }

  /** @throws EngineError `invalid_prompt`, `context_exceeded`, or `unsupported` for messages. */
  prompt(input: EngineInput): readonly number[] {
    switch (input.kind) {
      case "text": {
        const tokens = this.tokenize(input.text, input.plain);
        const { bos, shouldPrependBosToken } = this.#model.tokens;
        const wantsBos = input.addBos && shouldPrependBosToken && bos !== null && tokens[0] !== bos;
        return wantsBos ? [bos, ...tokens] : tokens;
      }
      case "tokens":
        for (const id of input.tokens) {
          if (!this.#isInVocabulary(id)) throw unknownToken("invalid_prompt", "The prompt", id);
        }
        return input.tokens;
      case "chat":
        throw new EngineError("unsupported", "This engine takes text or tokens, not messages.");
    }
  }

  /**
   * @param plain ranges, as start and end offsets, in which special tokens are read as plain text.
   * @throws EngineError `context_exceeded` when the text is certainly longer than the context.
   */
  tokenize(text: string, plain: readonly (readonly [number, number])[] = []): number[] {
    const leastTokens = Math.ceil(text.length / this.#longestToken);
    if (leastTokens > this.contextLength) {
      throw contextExceededError(`at least ${leastTokens}`, this.contextLength);
    }
    return this.#encoder.encode(text, plain);
  }

  /** @throws EngineError `invalid_bias` when the vocabulary lacks one of the tokens. */
  checkBias(tokens: readonly number[]): void {
    for (const id of tokens) {
      if (!this.#isInVocabulary(id)) throw unknownToken("invalid_bias", "A logit bias", id);
    }
  }

  /**
   * The first `most` tokens of a predicted output.
   * @throws EngineError `invalid_prediction` when the vocabulary lacks one of them.
   */
  prediction(prediction: NonNullable<GenerateRequest["prediction"]>, most: number): readonly number[] {
    if (prediction.kind === "text") {
      const text = prediction.text.slice(0, most * this.#longestToken);
      return this.#encoder.encode(text).slice(0, most);
    }
    const tokens = prediction.tokens.slice(0, most);
    for (const id of tokens) {
      if (!this.#isInVocabulary(id)) throw unknownToken("invalid_prediction", "The prediction", id);
    }
    return tokens;
  }

  #isInVocabulary(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.#vocabularySize;
  }

  /** Ordinary tokens for self-tests. */
  sampleTokens(count: number): number[] {
    const tokens = this.#encoder.encode("Once upon a time there was a little house by the sea. ");
    return Array.from({ length: count }, (_, i) => tokens[i % tokens.length]!);
  }
}

function unknownToken(code: EngineErrorCode, field: string, id: number): EngineError {
  return new EngineError(code, `${field} has a token id that the model doesn't have: ${id}.`);
}
