/**
 * Guesses the next tokens for speculative decoding: the model verifies several guesses in one batch, for less than the
 * cost of computing them one by one. The output is the same without it.
 */
export interface Proposer {
  /** Guesses at most `most` tokens; often none. */
  propose(most: number): readonly number[] | Promise<readonly number[]>;
  /** Records the next token of the output, guessed or not. */
  onToken(token: number): void;
  readonly acceptedTokens: number;
  readonly rejectedTokens: number;
  /** Frees native memory. */
  dispose?(): void;
}

/** Counts the accepted and rejected tokens of proposals. A token that was never reached counts as neither, unless one before it was rejected. */
export class AcceptanceCounter {
  acceptedTokens = 0;
  rejectedTokens = 0;
  #proposal: readonly number[] = [];
  #at = 0;

  recordProposal(tokens: readonly number[]): readonly number[] {
    this.#proposal = tokens;
    this.#at = 0;
    return tokens;
  }

  onToken(token: number): void {
    if (this.#at === this.#proposal.length) return;
    if (this.#proposal[this.#at] === token) {
      this.#at++;
      this.acceptedTokens++;
      return;
    }
    this.rejectedTokens += this.#proposal.length - this.#at;
    this.#at = this.#proposal.length;
  }
}
