import type { LlamaGrammarEvaluationState } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import type { LogitsHandle, NativeApi, Sampler, SamplerConfig } from "../native/native-api.ts";
import { SamplerConfigBuilder, type SamplerConfigOptions } from "./sampler-config.ts";
import { needsTypicalMirostatSampler, TypicalMirostatSampler } from "./typical-mirostat-sampler.ts";

export interface TokenSamplerOptions extends SamplerConfigOptions {
  nativeApi: NativeApi;
  isEnd(token: number): boolean;
}

export interface NextToken {
  /** Tokens generated so far. */
  output: readonly number[];
  /** The next token must not be an end token. */
  suppressEnd: boolean;
  /** The grammar's state after `output`; advanced by the token that is picked. Null: unconstrained. */
  grammar: LlamaGrammarEvaluationState | null;
}

/** Best tokens that greedy sampling checks against a grammar before the grammar is applied to the whole vocabulary. */
const RANKED_CANDIDATES = 64;
/** Draws of rejection sampling before the grammar is applied to the whole vocabulary. */
const REJECTION_DRAWS = 2;

/**
 * Picks a token from logits: greedily, by llama.cpp's sampler chain, by locally typical sampling or by Mirostat, with or
 * without a grammar. Every token that a model chooses, a draft model included, is picked here. Holds the random state of
 * one choice; one call at a time.
 */
export class TokenSampler {
  readonly #options: TokenSamplerOptions;
  readonly #configs: SamplerConfigBuilder;
  readonly #sampler: Sampler;
  readonly #typicalMirostat: TypicalMirostatSampler | null;

  constructor(options: TokenSamplerOptions) {
    this.#options = options;
    this.#configs = new SamplerConfigBuilder(options);
    this.#sampler = options.nativeApi.createSampler();
    this.#typicalMirostat = needsTypicalMirostatSampler(options.sampling)
      ? new TypicalMirostatSampler(options.sampling)
      : null;
  }

  /** @throws EngineError `invalid` when the grammar allows no token. */
  async sample(logits: LogitsHandle, { output, suppressEnd, grammar }: NextToken): Promise<number> {
    const config = this.#configs.forNextToken(output, suppressEnd);
    if (this.#typicalMirostat !== null) {
      return this.#sampleTypicalMirostat(this.#typicalMirostat, logits, config, grammar);
    }
    if (grammar === null) return this.#sampler.sample(logits, config, null);
    const token =
      (await this.#sampleCandidates(logits, config, grammar)) ??
      (await this.#sampler.sample(logits, config, grammar));
    return this.#assertAllowed(token, grammar);
  }

  dispose(): void {
    this.#sampler.dispose();
  }

  async #sampleTypicalMirostat(
    typicalMirostat: TypicalMirostatSampler,
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState | null,
  ): Promise<number> {
    // Temperature 0 leaves only bias and penalties in llama.cpp's chain; the other steps follow here.
    const ranked = await this.#sampler.sortedLogits(
      logits,
      { ...config, temperature: 0 },
      grammar?.clone() ?? null,
    );
    const token = typicalMirostat.sample(ranked);
    if (grammar === null) return token;
    if (!this.#options.isEnd(token)) this.#options.nativeApi.accept(grammar, token);
    return this.#assertAllowed(token, grammar);
  }

  /**
   * Applying a grammar to the whole vocabulary takes nearly as long as computing a token. So a few candidates are tried
   * first: the best ones in order when sampling is greedy, else independent draws (rejection sampling, which has the
   * same distribution). Null when the grammar allows none of them.
   */
  async #sampleCandidates(
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState,
  ): Promise<number | null> {
    const { nativeApi, isEnd } = this.#options;
    const accept = (token: number): boolean => {
      if (!nativeApi.acceptsNext(grammar, token)) return false;
      if (!isEnd(token)) nativeApi.accept(grammar, token);
      return true;
    };
    const greedy = config.temperature <= 0;
    for (let draw = 0; draw < (greedy ? 1 : REJECTION_DRAWS); draw++) {
      const token = await this.#sampler.sample(logits, config, null);
      if (accept(token)) return token;
    }
    if (!greedy) return null;
    const best = await this.#sampler.selectedLogits(
      logits,
      { ...config, temperature: 1, topP: 1, minP: 0, topK: RANKED_CANDIDATES },
      { tokens: [], top: RANKED_CANDIDATES },
    );
    return best.logits.find((token, i) => i % 2 === 0 && accept(token)) ?? null;
  }

  /** llama.cpp picks the first token of the vocabulary, which may be an end token, when the grammar allows none. */
  #assertAllowed(token: number, grammar: LlamaGrammarEvaluationState): number {
    if (this.#options.isEnd(token) && !this.#options.nativeApi.acceptsNext(grammar, token)) {
      throw new EngineError("invalid", "The grammar can't be completed: nothing may follow the text so far.");
    }
    return token;
  }
}
