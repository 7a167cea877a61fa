/** The text of tokens; bytes that form no character become U+FFFD. `before`: the tokens that precede them. */
export type Detokenize = (tokens: readonly number[], before: readonly number[]) => string;

const REPLACEMENT = "\uFFFD";
/** Tokens of context for the tokenizer: some write a space before a word depending on the preceding tokens. */
const TOKENS_BEFORE = 3;
/** An incomplete UTF-8 character has at most three bytes, so at most three tokens. */
const MAX_INCOMPLETE_TOKENS = 3;
/** More pending tokens than this can't be the beginning of a character. */
const MAX_PENDING_TOKENS = 8;

/**
 * Turns a stream of tokens into text without splitting a character: tokens of an incomplete character wait for those that
 * complete it. A character that is still incomplete when the tokens end is dropped.
 */
export class IncrementalDetokenizer {
  readonly #detokenize: Detokenize;
  #before: number[];
  #pending: number[] = [];
  /** Characters of the pending tokens' text that `push` has returned. */
  #returned = 0;

  constructor(detokenize: Detokenize, prompt: readonly number[]) {
    this.#detokenize = detokenize;
    this.#before = prompt.slice(-TOKENS_BEFORE);
  }

  /** Returns the text that the token completes; empty while a character is incomplete. */
  push(token: number): string {
    this.#pending.push(token);
    const text = this.#detokenize(this.#pending, this.#before);
    const incomplete = text.endsWith(REPLACEMENT);
    const wholeLength = incomplete ? text.length - 1 : text.length;
    const piece = text.slice(this.#returned, wholeLength);
    this.#returned = Math.max(this.#returned, wholeLength);
    if (!incomplete) this.#clearPending();
    else if (this.#pending.length > MAX_PENDING_TOKENS) this.#dropOldestPending();
    return piece;
  }

  #clearPending(): void {
    this.#before = [...this.#before, ...this.#pending].slice(-TOKENS_BEFORE);
    this.#pending = [];
    this.#returned = 0;
  }

  /** Keeps only the tokens that may still become a character: the others' bytes never will. */
  #dropOldestPending(): void {
    this.#pending = this.#pending.slice(-MAX_INCOMPLETE_TOKENS);
    this.#before = [];
    this.#returned = this.#detokenize(this.#pending, this.#before).length - 1;
  }
}
