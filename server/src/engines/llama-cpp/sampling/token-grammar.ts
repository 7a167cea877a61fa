import { EngineError } from "../../../engine/errors.ts";
import type { CharSet } from "../../../structured-output/gbnf/char-set.ts";
import { GrammarCheckError, type LoweredGrammar } from "../../../structured-output/gbnf/lowered-grammar.ts";
import { GrammarMatcher, MAX_STACKS, type MatcherState } from "../../../structured-output/gbnf/matcher.ts";
import { isContinuationByte } from "../tokenizer/utf8.ts";
import type { Vocabulary } from "../tokenizer/vocabulary.ts";

/** Most stack nodes visited for one token of the output, over all its candidates. */
const MAX_WORK = 250_000;

/** Each may hold the whole vocabulary. */
const MAX_REMEMBERED_STATES = 8;

/** A point in the bytes of an output, possibly within a character. */
interface Position {
  state: MatcherState;
  /** The bits of the character that the bytes so far give. */
  value: number;
  /** Bytes that the character still lacks; 0 between characters. */
  missing: number;
  /** Lowest code point that may be written with so many bytes. */
  least: number;
}

/**
 * Follows an output through a grammar, token by token, and tells which tokens may come next. The work for a token is
 * bounded whatever the grammar: llama.cpp's own matcher tries every way to read a rejected token, which takes time and
 * memory exponential in its length when the grammar is ambiguous, in the thread that all streams share.
 */
export class TokenGrammar {
  readonly #matcher: GrammarMatcher;
  readonly #vocabulary: Vocabulary;
  /** The allowed tokens of some states: a grammar often returns to the same ones. */
  readonly #allowedAfter = new Map<MatcherState, readonly number[]>();
  #position: Position;
  #maxVisited: number;

  constructor(grammar: LoweredGrammar, vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#matcher = bounded(() => new GrammarMatcher(grammar));
    this.#position = { state: this.#matcher.state, value: 0, missing: 0, least: 0 };
    this.#maxVisited = this.#matcher.visited + MAX_WORK;
  }

  get vocabularySize(): number {
    return this.#vocabulary.size;
  }

  /** Whether the token may come next. @throws EngineError `invalid` when finding it out takes too much work. */
  allows(token: number): boolean {
    if (this.#vocabulary.isEnd(token)) return this.#canEnd;
    return this.#positionAfter(this.#vocabulary.bytes(token)) !== null;
  }

  /** Appends a token that `allows` allowed. @throws EngineError `invalid` when the output has too many readings. */
  accept(token: number): void {
    if (this.#vocabulary.isEnd(token)) return;
    const next = this.#positionAfter(this.#vocabulary.bytes(token));
    if (next === null) throw new EngineError("invalid", "The grammar does not allow the text.");
    bounded(() => this.#matcher.moveTo(next.state));
    this.#position = { ...next, state: this.#matcher.state };
    if (this.#matcher.stackCount > MAX_STACKS) throw tooAmbiguous();
    this.#maxVisited = this.#matcher.visited + MAX_WORK;
  }

  /** All tokens that may come next, end tokens included. @throws EngineError `invalid` as `allows`. */
  allowedTokens(): readonly number[] {
    const { state, missing } = this.#position;
    if (missing > 0) return this.#findAllowedTokens();
    let allowed = this.#allowedAfter.get(state);
    if (allowed === undefined) {
      allowed = this.#findAllowedTokens();
      if (this.#allowedAfter.size === MAX_REMEMBERED_STATES) this.#allowedAfter.clear();
      this.#allowedAfter.set(state, allowed);
    }
    return allowed;
  }

  #findAllowedTokens(): number[] {
    const { sorted, shared, bytes, endTokens } = this.#vocabulary;
    const allowed: number[] = this.#canEnd ? [...endTokens] : [];
    /** The positions after 0, 1, … bytes of the current token. */
    const positions: Position[] = [this.#position];
    for (let i = 0; i < sorted.length; i++) {
      // Tokens that share the rejected byte of the one before are rejected with it.
      if (shared[i]! >= positions.length) continue;
      positions.length = shared[i]! + 1;
      const token = sorted[i]!;
      const tokenBytes = bytes(token);
      let position: Position | null = positions.at(-1)!;
      for (let at = shared[i]!; at < tokenBytes.length; at++) {
        position = this.#advance(position, tokenBytes[at]!);
        if (position === null) break;
        positions.push(position);
      }
      if (position !== null && this.#canStop(position)) allowed.push(token);
    }
    return allowed;
  }

  get #canEnd(): boolean {
    return this.#position.missing === 0 && this.#matcher.canEnd;
  }

  #positionAfter(bytes: Uint8Array): Position | null {
    let position: Position | null = bytes.length === 0 ? null : this.#position;
    for (const byte of bytes) {
      position = position && this.#advance(position, byte);
      if (position === null) return null;
    }
    return position !== null && this.#canStop(position) ? position : null;
  }

  /** Whether the grammar allows a character that the position has begun. */
  #canStop(position: Position): boolean {
    return position.missing === 0 || this.#matcher.allowsSome(position.state, charactersFrom(position));
  }

  /** Null when the grammar does not allow the byte, or when it is not UTF-8. */
  #advance({ state, value, missing, least }: Position, byte: number): Position | null {
    if (missing > 0) {
      if (!isContinuationByte(byte)) return null;
      const longer = value * 64 + (byte & 0x3f);
      if (missing > 1) return { state, value: longer, missing: missing - 1, least };
      return longer < least ? null : this.#after(state, longer);
    }
    if (byte < 0x80) return this.#after(state, byte);
    if (byte < 0xc2 || byte > 0xf4) return null;
    if (byte < 0xe0) return { state, value: byte & 0x1f, missing: 1, least: 0x80 };
    if (byte < 0xf0) return { state, value: byte & 0x0f, missing: 2, least: 0x800 };
    return { state, value: byte & 0x07, missing: 3, least: 0x10000 };
  }

  #after(state: MatcherState, codePoint: number): Position | null {
    let next = state.next.get(codePoint);
    // Most characters were tried before, at some other place of the vocabulary.
    if (next === undefined) {
      bounded(() => this.#matcher.after(state, codePoint));
      next = state.next.get(codePoint)!;
      if (this.#matcher.visited > this.#maxVisited) throw tooAmbiguous();
    }
    return next.stacks.length === 0 ? null : { state: next, value: 0, missing: 0, least: 0 };
  }
}

/** The characters that an incomplete one can become. */
function charactersFrom({ value, missing, least }: Position): CharSet {
  const span = 64 ** missing;
  const lowest = Math.max(value * span, least);
  const highest = value * span + span - 1;
  return lowest > highest ? [] : [lowest, highest];
}

function bounded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof GrammarCheckError) throw tooAmbiguous();
    throw error;
  }
}

function tooAmbiguous(): EngineError {
  return new EngineError(
    "invalid",
    "The grammar is too ambiguous: the text so far can be read in too many ways.",
  );
}
