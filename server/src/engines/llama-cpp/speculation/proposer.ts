/** Guesses what comes next, so that several tokens can be checked at the price of less. What is made is the same without it. */
export interface Proposer {
  /** What may come next, at most `most` tokens; often none. */
  propose(most: number): readonly number[] | Promise<readonly number[]>;
  /** A token was made, guessed or not. */
  onToken(token: number): void;
  readonly acceptedTokens: number;
  readonly rejectedTokens: number;
  /** Frees what it holds. */
  dispose?(): void;
}

/** Counts what becomes of guesses. */
export class AcceptanceCounter {
  acceptedTokens = 0;
  rejectedTokens = 0;
  #guessed: readonly number[] = [];
  #at = 0;

  recordProposal(tokens: readonly number[]): readonly number[] {
    this.#guessed = tokens;
    this.#at = 0;
    return tokens;
  }

  onToken(token: number): void {
    if (this.#at === this.#guessed.length) return;
    if (this.#guessed[this.#at] === token) {
      this.#at++;
      this.acceptedTokens++;
      return;
    }
    this.rejectedTokens += this.#guessed.length - this.#at;
    this.#at = this.#guessed.length;
  }
}
