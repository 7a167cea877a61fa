import type { LlamaModel, Token } from "node-llama-cpp";
import { contextExceededError } from "../../../engine/context-limit.ts";
import {
  EngineError,
  type EngineErrorCode,
  type EngineInput,
  type GenerateRequest,
} from "../../../engine/port.ts";

/** Turns an engine's input into token ids. Tokenizing blocks the process, so texts that can't fit are not tokenized. */
export class Tokenizer {
  readonly contextLength: number;
  readonly #model: LlamaModel;
  readonly #vocabularySize: number;
  /** Characters of the longest token: no text has fewer tokens than its length divided by this. */
  readonly #longestToken: number;

  constructor(model: LlamaModel, contextLength: number) {
    this.#model = model;
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

  /** @throws EngineError. */
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
          if (!this.#knows(id)) throw unknownToken("invalid_prompt", "The prompt", id);
        }
        return input.tokens;
      case "chat":
        throw new EngineError("unsupported", "This engine takes text or tokens, not messages.");
    }
  }

  /**
   * @param plain ranges in which special tokens are only text.
   * @throws EngineError `context_exceeded` when the text is certainly longer than the context.
   */
  tokenize(text: string, plain: readonly (readonly [number, number])[] = []): number[] {
    const leastTokens = Math.ceil(text.length / this.#longestToken);
    if (leastTokens > this.contextLength) {
      throw contextExceededError(`at least ${leastTokens}`, this.contextLength);
    }
    const tokens: number[] = [];
    let done = 0;
    for (const [start, end] of plain) {
      tokens.push(...this.#model.tokenize(text.slice(done, start), true));
      tokens.push(...this.#model.tokenize(text.slice(start, end), false));
      done = end;
    }
    // The common case without a copy: one piece, all of it.
    const rest = this.#model.tokenize(text.slice(done), true);
    return done === 0 ? rest : [...tokens, ...rest];
  }

  /** @throws EngineError `invalid_bias` when one of the tokens of a bias doesn't exist. */
  checkBias(tokens: readonly number[]): void {
    for (const id of tokens) {
      if (!this.#knows(id)) throw unknownToken("invalid_bias", "A logit bias", id);
    }
  }

  /** The first `most` tokens of a predicted output. @throws EngineError `invalid_prediction` when one of them doesn't exist. */
  prediction(prediction: NonNullable<GenerateRequest["prediction"]>, most: number): readonly number[] {
    if (prediction.kind === "text") {
      const text = prediction.text.slice(0, most * this.#longestToken);
      return this.#model.tokenize(text, true).slice(0, most);
    }
    const tokens = prediction.tokens.slice(0, most);
    for (const id of tokens) {
      if (!this.#knows(id)) throw unknownToken("invalid_prediction", "The prediction", id);
    }
    return tokens;
  }

  #knows(id: number): boolean {
    return Number.isInteger(id) && id >= 0 && id < this.#vocabularySize;
  }

  /** Ordinary tokens to compute something with. */
  sampleTokens(count: number): number[] {
    const some = this.#model.tokenize("Once upon a time there was a little house by the sea. ");
    return Array.from({ length: count }, (_, i): Token => some[i % some.length]!);
  }
}

function unknownToken(code: EngineErrorCode, what: string, id: number): EngineError {
  return new EngineError(code, `${what} has a token id that the model doesn't have: ${id}.`);
}
