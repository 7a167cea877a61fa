/** Tokens guessed ahead: few after a wrong guess, more and more while they come true. */
const LEAST = 4;
const MOST = 32;

/** Guesses what comes next from a prediction of the whole output, also where the output left it and came back. */
export class Drafts {
  readonly #prediction: readonly number[];
  /** Where two tokens stand next to each other in the prediction: the places after them. */
  readonly #after = new Map<string, number[]>();
  /** Where the output is in the prediction; null: it has left it. */
  #at: number | null = 0;
  /** The place after the last token that came true. */
  #reached = 0;
  #length = MOST / 2;
  #last: number | null = null;
  acceptedTokens = 0;
  rejectedTokens = 0;

  constructor(prediction: readonly number[]) {
    this.#prediction = prediction;
    for (let i = 1; i < prediction.length; i++) {
      const key = `${prediction[i - 1]} ${prediction[i]}`;
      const places = this.#after.get(key);
      if (places === undefined) this.#after.set(key, [i + 1]);
      else places.push(i + 1);
    }
  }

  /** What may come next, at most `most` tokens; often none. */
  next(most: number): readonly number[] {
    if (this.#at === null) return [];
    return this.#prediction.slice(this.#at, this.#at + Math.min(most, this.#length));
  }

  /** How a guess turned out: `accepted` of its `guessed` tokens came true. Called after `made` for each. */
  turnedOut(guessed: number, accepted: number): void {
    this.acceptedTokens += accepted;
    this.rejectedTokens += guessed - accepted;
    if (accepted === guessed) this.#length = Math.min(MOST, this.#length * 2);
    else this.#length = LEAST;
  }

  made(token: number): void {
    if (this.#at !== null && this.#prediction[this.#at] === token) {
      this.#reached = ++this.#at;
    } else {
      // One token in place of another is the likeliest change; two in a row that are known say more.
      const replaced = this.#at === null ? null : this.#at + 1;
      this.#at = this.#find(token) ?? replaced;
    }
    this.#last = token;
  }

  /** The next place in the prediction where the last two tokens stand, or else the first. */
  #find(token: number): number | null {
    const places = this.#after.get(`${this.#last} ${token}`);
    if (places === undefined) return null;
    return places.find((place) => place > this.#reached) ?? places[0]!;
  }
}
