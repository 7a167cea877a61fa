import { EngineError } from "../../../engine/errors.ts";
import { checkGrammar } from "../../../structured-output/gbnf/check-grammar.ts";
import { lower } from "../../../structured-output/gbnf/lower.ts";
import { GrammarCheckError, type LoweredGrammar } from "../../../structured-output/gbnf/lowered-grammar.ts";
import { GBNF_LIMITS, GrammarError, parseRules } from "../../../structured-output/gbnf/parser.ts";

const MAX_GRAMMARS = 64;
/** Most symbols of all grammars together, repetitions written out: some 30 bytes each. */
const MAX_SYMBOLS = 2_000_000;

interface CachedGrammar {
  grammar: LoweredGrammar;
  symbols: number;
}

/** Parsed grammars by their text: an LRU cache. */
export class GrammarCache {
  readonly #cached = new Map<string, CachedGrammar>();
  #symbols = 0;

  /** @throws EngineError `invalid` for a grammar that the engine can't follow with bounded work. */
  parse(text: string): LoweredGrammar {
    const cached = this.#cached.get(text) ?? parse(text);
    if (!this.#cached.delete(text)) this.#symbols += cached.symbols;
    this.#cached.set(text, cached);
    for (const [oldest, { symbols }] of this.#cached) {
      if (this.#cached.size <= MAX_GRAMMARS && this.#symbols <= MAX_SYMBOLS) break;
      this.#cached.delete(oldest);
      this.#symbols -= symbols;
    }
    return cached.grammar;
  }
}

function parse(text: string): CachedGrammar {
  try {
    // Compiled grammars are longer than what clients may send; the limits of rules and symbols hold for both.
    const { rules } = parseRules(text, { ...GBNF_LIMITS, maxBytes: Number.POSITIVE_INFINITY });
    const grammar = lower(rules, GBNF_LIMITS.maxElements);
    checkGrammar(grammar);
    let symbols = 0;
    for (const { alternatives } of grammar.rules) {
      for (const alternative of alternatives) symbols += alternative.length + 1;
    }
    return { grammar, symbols };
  } catch (error) {
    if (!(error instanceof GrammarError || error instanceof GrammarCheckError)) throw error;
    throw new EngineError("invalid", "The grammar is not one that the model's engine can use.", error);
  }
}
