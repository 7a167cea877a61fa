/** Text of tokens; bytes that don't form a whole character become U+FFFD. `before`: the tokens just before them. */
export type Detokenize = (tokens: readonly number[], before: readonly number[]) => string;

const REPLACEMENT = "\uFFFD";
/** Some tokenizers put a space before a word depending on what precedes it. */
const TOKENS_BEFORE = 3;
/** A cut-off UTF-8 character has at most three bytes, so at most three tokens. */
const TOKENS_OF_CUT_CHARACTER = 3;
const MAX_PENDING = 8;

/**
 * Turns tokens into text as they come and never gives half a character: what may be one is held until the tokens that
 * complete it arrive. What is still incomplete when the tokens end is never given.
 */
export class IncrementalDetokenizer {
  readonly #detokenize: Detokenize;
  #before: number[];
  #pending: number[] = [];
  /** Characters of the pending tokens' text that were given already. */
  #given = 0;

  constructor(detokenize: Detokenize, prompt: readonly number[]) {
    this.#detokenize = detokenize;
    this.#before = prompt.slice(-TOKENS_BEFORE);
  }

  push(token: number): string {
    this.#pending.push(token);
    const text = this.#detokenize(this.#pending, this.#before);
    const cut = text.endsWith(REPLACEMENT);
    const wholeLength = cut ? text.length - 1 : text.length;
    const piece = text.slice(this.#given, wholeLength);
    this.#given = Math.max(this.#given, wholeLength);
    if (!cut) this.#settle();
    else if (this.#pending.length > MAX_PENDING) this.#forgetOldest();
    return piece;
  }

  #settle(): void {
    this.#before = [...this.#before, ...this.#pending].slice(-TOKENS_BEFORE);
    this.#pending = [];
    this.#given = 0;
  }

  /** Bytes that will never form characters pile up: keep only the tokens that may still become one. */
  #forgetOldest(): void {
    this.#pending = this.#pending.slice(-TOKENS_OF_CUT_CHARACTER);
    this.#before = [];
    this.#given = this.#detokenize(this.#pending, this.#before).length - 1;
  }
}
