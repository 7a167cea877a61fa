import type { BatchCosts } from "./batch-costs.ts";
import { AcceptanceCounter, type Proposer } from "./proposer.ts";

export interface NgramOptions {
  /** Length of the n-gram: so many last tokens are looked up in the text before them, 1–16. */
  length: number;
  /** Tokens to guess at a time; null: as many as pay off on this machine. */
  tokens: number | null;
}

/** Prior of the hit rate: so many hits among so many guesses. */
const PRIOR_HITS = 3;
const PRIOR_GUESSES = 4;

/** N-gram lookup: guesses that the tokens that followed the last n-gram earlier, in prompt or output, follow it again. */
export class NgramProposer implements Proposer {
  readonly #options: NgramOptions;
  readonly #costs: BatchCosts;
  readonly #counter = new AcceptanceCounter();
  readonly #text: number[];
  /** N-gram → position after its last occurrence, without the one at the end of the text. */
  readonly #positionAfter = new Map<string, number>();

  constructor(prompt: readonly number[], options: NgramOptions, costs: BatchCosts) {
    this.#options = options;
    this.#costs = costs;
    this.#text = [];
    for (const token of prompt) this.#append(token);
  }

  get acceptedTokens(): number {
    return this.#counter.acceptedTokens;
  }

  get rejectedTokens(): number {
    return this.#counter.rejectedTokens;
  }

  propose(most: number): readonly number[] {
    const position = this.#positionAfter.get(this.#lastNgram());
    const length = Math.min(most, this.#options.tokens ?? this.#bestLength());
    return this.#counter.recordProposal(
      position === undefined ? [] : this.#text.slice(position, position + length),
    );
  }

  onToken(token: number): void {
    this.#counter.onToken(token);
    this.#append(token);
  }

  #append(token: number): void {
    if (this.#text.length >= this.#options.length)
      this.#positionAfter.set(this.#lastNgram(), this.#text.length);
    this.#text.push(token);
  }

  #lastNgram(): string {
    return this.#text.slice(-this.#options.length).join();
  }

  #bestLength(): number {
    const { acceptedTokens, rejectedTokens } = this.#counter;
    return this.#costs.bestProposalLength(
      (acceptedTokens + PRIOR_HITS) / (acceptedTokens + rejectedTokens + PRIOR_GUESSES),
    );
  }
}
