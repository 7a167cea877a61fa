import { type Llama, LlamaGrammar, LlamaGrammarEvaluationState, type LlamaModel } from "node-llama-cpp";
import { EngineError } from "../../engine/port.ts";

/** Parsed grammars kept; one is some times its text. */
const KEPT = 64;
const KEPT_CHARACTERS = 4 * 1024 ** 2;

/** Parses grammars once; keeps those used last. */
export class Grammars {
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #kept = new Map<string, LlamaGrammar>();
  #characters = 0;

  constructor(llama: Llama, model: LlamaModel) {
    this.#llama = llama;
    this.#model = model;
  }

  /** A fresh run through the grammar. @throws EngineError `invalid` when llama.cpp doesn't take it. */
  begin(text: string): LlamaGrammarEvaluationState {
    return new LlamaGrammarEvaluationState({ model: this.#model, grammar: this.parse(text) });
  }

  /** @throws EngineError `invalid` when llama.cpp doesn't take it. */
  parse(text: string): LlamaGrammar {
    try {
      const grammar = this.#kept.get(text) ?? new LlamaGrammar(this.#llama, { grammar: text });
      this.#keep(text, grammar);
      return grammar;
    } catch (error) {
      throw new EngineError("invalid", "The grammar is not one that the model's engine can use.", error);
    }
  }

  #keep(text: string, grammar: LlamaGrammar): void {
    if (!this.#kept.delete(text)) this.#characters += text.length;
    this.#kept.set(text, grammar);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT && this.#characters <= KEPT_CHARACTERS) break;
      this.#kept.delete(oldest);
      this.#characters -= oldest.length;
    }
  }
}
