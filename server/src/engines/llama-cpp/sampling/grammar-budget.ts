import type { CharSet } from "../../../structured-output/gbnf/char-set.ts";
import type { LoweredGrammar } from "../../../structured-output/gbnf/lower.ts";
import { GrammarMatcher } from "../../../structured-output/gbnf/matcher.ts";
import { charactersStartingWith, wholeCharacterBytes } from "../tokenizer/utf8.ts";

export interface GrammarBudgetOptions {
  grammar: LoweredGrammar;
  /** Bytes of a token. */
  bytes(token: number): Uint8Array;
  /** Tokens that make up these bytes, at most one for each; null where the vocabulary can't write them. */
  spell(bytes: Uint8Array): readonly number[] | null;
  endToken: number;
}

/** An output that can be at more places than this at once isn't followed: every token would cost too much. */
const MAX_WIDTH = 256;
/** Longer endings aren't spelt to find out whether their tokens are few enough: it would take too long. */
const MAX_SPELT_BYTES = 2_048;

/**
 * Sees to it that an output which follows a grammar ends within its tokens. Once the shortest ending and the end token
 * fit what is left, they fit after every token: one after which they wouldn't is replaced by them. A byte is at most a
 * token, so the ending's bytes are counted, and its tokens only where the bytes are too many.
 */
export class GrammarBudget {
  readonly #options: GrammarBudgetOptions;
  readonly #matcher: GrammarMatcher;
  /** The beginning of a character that the last token has left unfinished. */
  #cut: Uint8Array = new Uint8Array();
  #fits: boolean | null = null;
  /** The output is no longer followed. */
  #untracked = false;

  constructor(spec: GrammarBudgetOptions) {
    this.#options = spec;
    this.#matcher = new GrammarMatcher(spec.grammar);
  }

  /**
   * The model would make `token` next, which the grammar allows and which doesn't end the output.
   * @param left tokens that can be made after it, ≥ 0.
   * @returns the ending to make in its stead, the end token last; null when the token may come.
   */
  forcedEnding(token: number, left: number): readonly number[] | null {
    if (this.#untracked) return null;
    try {
      return this.#forcedEnding(token, left);
    } catch {
      // The matcher's limits. What it can't follow is at most cut off.
      this.#untracked = true;
      return null;
    }
  }

  #forcedEnding(token: number, left: number): readonly number[] | null {
    const [position, cut] = [this.#matcher.state, this.#cut];
    const fitted = this.#fits ?? this.#endFits(left + 1);
    if (!this.#advance(token)) {
      this.#untracked = true;
      return null;
    }
    this.#fits = this.#endFits(left);
    if (this.#fits || !fitted) return null;
    this.#matcher.state = position;
    this.#cut = cut;
    this.#untracked = true;
    const ending = this.#spell();
    return ending === null ? null : [...ending, this.#options.endToken];
  }

  #advance(token: number): boolean {
    const bytes = Buffer.concat([this.#cut, this.#options.bytes(token)]);
    const whole = wholeCharacterBytes(bytes);
    this.#cut = bytes.subarray(whole);
    const text = decoder.decode(bytes.subarray(0, whole));
    return this.#matcher.accept(text) && this.#matcher.stackCount <= MAX_WIDTH;
  }

  /** Whether the shortest ending and the end token are at most so many tokens. */
  #endFits(tokens: number): boolean {
    const bytes = this.#matcher.minRemainingBytes(this.#first) - this.#cut.length;
    if (bytes + 1 <= tokens) return true;
    if (tokens < 1 || bytes > MAX_SPELT_BYTES) return false;
    const ending = this.#spell();
    return ending !== null && ending.length + 1 <= tokens;
  }

  /** What the next character is one of, if it has begun. */
  get #first(): CharSet | undefined {
    return this.#cut.length === 0 ? undefined : charactersStartingWith(this.#cut);
  }

  #spell(): readonly number[] | null {
    const ending = this.#matcher.shortestCompletion(this.#first);
    return ending === null ? null : this.#options.spell(Buffer.from(ending).subarray(this.#cut.length));
  }
}

/** Throws for what is no UTF-8. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
