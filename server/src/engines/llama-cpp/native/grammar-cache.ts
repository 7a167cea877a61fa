import { type Llama, LlamaGrammar, LlamaGrammarEvaluationState, type LlamaModel } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import { lower } from "../../../structured-output/gbnf/lower.ts";
import type { LoweredGrammar } from "../../../structured-output/gbnf/lowered-grammar.ts";
import { GBNF_LIMITS, parseRules } from "../../../structured-output/gbnf/parser.ts";

const MAX_GRAMMARS = 64;
/** Most text of all grammars together: a parsed grammar takes a small multiple of its text. */
const MAX_CHARACTERS = 4 * 1024 ** 2;

interface CachedGrammar {
  grammar: LlamaGrammar;
  /** The rules for `GrammarMatcher`; null where its limits are exceeded, absent until they are first needed. */
  lowered?: LoweredGrammar | null;
}

/** Parsed grammars by their text: an LRU cache. */
export class GrammarCache {
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #cached = new Map<string, CachedGrammar>();
  #characters = 0;

  constructor(llama: Llama, model: LlamaModel) {
    this.#llama = llama;
    this.#model = model;
  }

  /** The grammar in its start state. @throws EngineError `invalid` when llama.cpp rejects it. */
  begin(text: string): LlamaGrammarEvaluationState {
    return new LlamaGrammarEvaluationState({ model: this.#model, grammar: this.parse(text).grammar });
  }

  /** The grammar's rules; null where they exceed the matcher's limits. @throws EngineError as `parse`. */
  rules(text: string): LoweredGrammar | null {
    const cached = this.parse(text);
    if (cached.lowered === undefined) {
      try {
        cached.lowered = lower(parseRules(text, GBNF_LIMITS).rules, GBNF_LIMITS.maxElements);
      } catch {
        cached.lowered = null;
      }
    }
    return cached.lowered;
  }

  /** @throws EngineError `invalid` when llama.cpp rejects the grammar. */
  parse(text: string): CachedGrammar {
    try {
      const cached = this.#cached.get(text) ?? { grammar: new LlamaGrammar(this.#llama, { grammar: text }) };
      this.#markUsed(text, cached);
      return cached;
    } catch (error) {
      throw new EngineError("invalid", "The grammar is not one that the model's engine can use.", error);
    }
  }

  /** Moves the grammar to the end of the map, and drops the least recently used ones from its beginning. */
  #markUsed(text: string, cached: CachedGrammar): void {
    if (!this.#cached.delete(text)) this.#characters += text.length;
    this.#cached.set(text, cached);
    for (const oldest of this.#cached.keys()) {
      if (this.#cached.size <= MAX_GRAMMARS && this.#characters <= MAX_CHARACTERS) break;
      this.#cached.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
