import type { BatchCosts } from "./batch-costs.ts";
import { AcceptanceCounter, type Proposer } from "./proposer.ts";

export interface NgramOptions {
  /** Tokens of the text's end that are looked for in what came before, 1–16. */
  length: number;
  /** Tokens guessed a step; null: as many as pay off on this machine. */
  tokens: number | null;
}

/** What is assumed of guesses at first: so many hits of so many tokens. */
const FIRST_HITS = 3;
const FIRST_TOKENS = 4;

/** Guesses that what followed the same few tokens earlier, in the prompt or the output, follows again. */
export class NgramProposer implements Proposer {
  readonly #options: NgramOptions;
  readonly #costs: BatchCosts;
  readonly #counter = new AcceptanceCounter();
  readonly #text: number[];
  /** So many tokens in a row: the place after where they stood last, the end of the text aside. */
  readonly #after = new Map<string, number>();

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
    const place = this.#after.get(this.#end());
    const length = Math.min(most, this.#options.tokens ?? this.#bestLength());
    return this.#counter.recordProposal(place === undefined ? [] : this.#text.slice(place, place + length));
  }

  onToken(token: number): void {
    this.#counter.onToken(token);
    this.#append(token);
  }

  #append(token: number): void {
    if (this.#text.length >= this.#options.length) this.#after.set(this.#end(), this.#text.length);
    this.#text.push(token);
  }

  #end(): string {
    return this.#text.slice(-this.#options.length).join();
  }

  #bestLength(): number {
    const { acceptedTokens, rejectedTokens } = this.#counter;
    return this.#costs.bestProposalLength(
      (acceptedTokens + FIRST_HITS) / (acceptedTokens + rejectedTokens + FIRST_TOKENS),
    );
  }
}
