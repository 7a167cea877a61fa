import { type Llama, LlamaGrammar, LlamaGrammarEvaluationState, type LlamaModel } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import { lower } from "../../../structured-output/gbnf/lower.ts";
import type { LoweredGrammar } from "../../../structured-output/gbnf/lowered-grammar.ts";
import { GBNF_LIMITS, parseRules } from "../../../structured-output/gbnf/parser.ts";

/** Parsed grammars kept; one is some times its text. */
const MAX_GRAMMARS = 64;
const MAX_CHARACTERS = 4 * 1024 ** 2;

interface CachedGrammar {
  grammar: LlamaGrammar;
  /** The same, to be followed outside of llama.cpp; null where it can't be, absent until it is wanted. */
  lowered?: LoweredGrammar | null;
}

/** Parses grammars once; keeps those used last. */
export class GrammarCache {
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #cached = new Map<string, CachedGrammar>();
  #characters = 0;

  constructor(llama: Llama, model: LlamaModel) {
    this.#llama = llama;
    this.#model = model;
  }

  /** A fresh run through the grammar. @throws EngineError `invalid` when llama.cpp doesn't take it. */
  begin(text: string): LlamaGrammarEvaluationState {
    return new LlamaGrammarEvaluationState({ model: this.#model, grammar: this.parse(text).grammar });
  }

  /** The grammar's rules; null where they are beyond what is followed here. @throws EngineError as `parse`. */
  rules(text: string): LoweredGrammar | null {
    const kept = this.parse(text);
    if (kept.lowered === undefined) {
      try {
        kept.lowered = lower(parseRules(text, GBNF_LIMITS).rules, GBNF_LIMITS.maxElements);
      } catch {
        kept.lowered = null;
      }
    }
    return kept.lowered;
  }

  /** @throws EngineError `invalid` when llama.cpp doesn't take it. */
  parse(text: string): CachedGrammar {
    try {
      const kept = this.#cached.get(text) ?? { grammar: new LlamaGrammar(this.#llama, { grammar: text }) };
      this.#touch(text, kept);
      return kept;
    } catch (error) {
      throw new EngineError("invalid", "The grammar is not one that the model's engine can use.", error);
    }
  }

  #touch(text: string, kept: CachedGrammar): void {
    if (!this.#cached.delete(text)) this.#characters += text.length;
    this.#cached.set(text, kept);
    for (const oldest of this.#cached.keys()) {
      if (this.#cached.size <= MAX_GRAMMARS && this.#characters <= MAX_CHARACTERS) break;
      this.#cached.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
