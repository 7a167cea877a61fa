import type { CharSet } from "../../../structured-output/gbnf/char-set.ts";
import type { LoweredGrammar } from "../../../structured-output/gbnf/lowered-grammar.ts";
import { GrammarMatcher } from "../../../structured-output/gbnf/matcher.ts";
import { charactersStartingWith, wholeCharacterBytes } from "../tokenizer/utf8.ts";

export interface GrammarBudgetOptions {
  grammar: LoweredGrammar;
  bytes(token: number): Uint8Array;
  /** Tokens that make up these bytes, at most one a byte; null where the vocabulary can't write them. */
  spell(bytes: Uint8Array): readonly number[] | null;
  endToken: number;
}

/** Most parallel parses of the grammar: with more, each token would take too long, and tracking stops. */
const MAX_STACKS = 256;
/** Longer endings are not tokenized to count their tokens: it would take too long. */
const MAX_SPELT_BYTES = 2_048;

/**
 * Completes a grammar's output before `maxTokens` cuts it off. Once the grammar's shortest ending and the end token fit the
 * tokens that are left, this stays so: a token after which they would no longer fit is replaced by the ending. A byte
 * takes at most one token, so the ending's bytes are counted first, and it is tokenized only where they are too many.
 */
export class GrammarBudget {
  readonly #options: GrammarBudgetOptions;
  readonly #matcher: GrammarMatcher;
  /** Bytes of a character that the last token left incomplete. */
  #incomplete: Uint8Array = new Uint8Array();
  /** Whether the ending fitted after the last token; null: before the first. */
  #fits: boolean | null = null;
  /** The output is no longer tracked: the budget forces nothing any more. */
  #untracked = false;

  constructor(options: GrammarBudgetOptions) {
    this.#options = options;
    this.#matcher = new GrammarMatcher(options.grammar);
  }

  /**
   * @param token the sampled token, which the grammar allows and which is not an end token.
   * @param left tokens that can follow it, ≥ 0.
   * @returns the ending to output instead, the end token last; null when the token may stay.
   */
  forcedEnding(token: number, left: number): readonly number[] | null {
    if (this.#untracked) return null;
    try {
      return this.#endingAfter(token, left);
    } catch {
      // The output exceeds the matcher's limits. Untracked, `maxTokens` may cut it off.
      this.#untracked = true;
      return null;
    }
  }

  #endingAfter(token: number, left: number): readonly number[] | null {
    const stateBefore = this.#matcher.state;
    const incompleteBefore = this.#incomplete;
    const fitted = this.#fits ?? this.#endFits(left + 1);
    if (!this.#advance(token)) {
      this.#untracked = true;
      return null;
    }
    this.#fits = this.#endFits(left);
    if (this.#fits || !fitted) return null;
    this.#matcher.state = stateBefore;
    this.#incomplete = incompleteBefore;
    this.#untracked = true;
    const ending = this.#spellEnding();
    return ending === null ? null : [...ending, this.#options.endToken];
  }

  /** Returns false when the output can't be tracked any further. */
  #advance(token: number): boolean {
    const bytes = Buffer.concat([this.#incomplete, this.#options.bytes(token)]);
    const wholeBytes = wholeCharacterBytes(bytes);
    this.#incomplete = bytes.subarray(wholeBytes);
    const text = utf8Decoder.decode(bytes.subarray(0, wholeBytes));
    return this.#matcher.accept(text) && this.#matcher.stackCount <= MAX_STACKS;
  }

  /** Whether the shortest ending and the end token take at most `tokens` tokens. */
  #endFits(tokens: number): boolean {
    const bytes = this.#matcher.minRemainingBytes(this.#nextCharacters) - this.#incomplete.length;
    if (bytes + 1 <= tokens) return true;
    if (tokens < 1 || bytes > MAX_SPELT_BYTES) return false;
    const ending = this.#spellEnding();
    return ending !== null && ending.length + 1 <= tokens;
  }

  /** The characters that the incomplete bytes can become; undefined when there are none. */
  get #nextCharacters(): CharSet | undefined {
    return this.#incomplete.length === 0 ? undefined : charactersStartingWith(this.#incomplete);
  }

  #spellEnding(): readonly number[] | null {
    const ending = this.#matcher.shortestCompletion(this.#nextCharacters);
    return ending === null
      ? null
      : this.#options.spell(Buffer.from(ending).subarray(this.#incomplete.length));
  }
}

/** Throws a TypeError for bytes that are not UTF-8. */
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
