import { EngineError } from "../../../engine/errors.ts";
import type { LogitsHandle, NativeApi, Sampler, SamplerConfig } from "../native/native-api.ts";
import { SamplerConfigBuilder, type SamplerConfigOptions } from "./sampler-config.ts";
import type { TokenGrammar } from "./token-grammar.ts";
import { needsTypicalMirostatSampler, TypicalMirostatSampler } from "./typical-mirostat-sampler.ts";

export interface TokenSamplerOptions extends SamplerConfigOptions {
  nativeApi: NativeApi;
}

export interface NextToken {
  /** Tokens generated so far. */
  output: readonly number[];
  /** The next token must not be an end token. */
  suppressEnd: boolean;
  /** The grammar's state after `output`; advanced by the token that is picked. Null: unconstrained. */
  grammar: TokenGrammar | null;
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
  readonly #configs: SamplerConfigBuilder;
  readonly #sampler: Sampler;
  readonly #typicalMirostat: TypicalMirostatSampler | null;

  constructor(options: TokenSamplerOptions) {
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
    if (grammar === null) return this.#sampler.sample(logits, config);
    const token =
      (await this.#sampleCandidates(logits, config, grammar)) ??
      (await this.#sampler.sample(logits, withoutForbidden(config, grammar)));
    grammar.accept(token);
    return token;
  }

  dispose(): void {
    this.#sampler.dispose();
  }

  async #sampleTypicalMirostat(
    typicalMirostat: TypicalMirostatSampler,
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: TokenGrammar | null,
  ): Promise<number> {
    const allowed = grammar === null ? config : withoutForbidden(config, grammar);
    // Temperature 0 leaves only bias and penalties in llama.cpp's chain; the other steps follow here.
    const token = typicalMirostat.sample(
      await this.#sampler.sortedLogits(logits, { ...allowed, temperature: 0 }),
    );
    grammar?.accept(token);
    return token;
  }

  /**
   * Applying a grammar to the whole vocabulary takes nearly as long as computing a token. So a few candidates are tried
   * first: the best ones in order when sampling is greedy, else independent draws (rejection sampling, which has the
   * same distribution). Null when the grammar allows none of them.
   */
  async #sampleCandidates(
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: TokenGrammar,
  ): Promise<number | null> {
    const greedy = config.temperature <= 0;
    for (let draw = 0; draw < (greedy ? 1 : REJECTION_DRAWS); draw++) {
      const token = await this.#sampler.sample(logits, config);
      if (grammar.allows(token)) return token;
    }
    if (!greedy) return null;
    const best = await this.#sampler.selectedLogits(
      logits,
      { ...config, temperature: 1, topP: 1, minP: 0, topK: RANKED_CANDIDATES },
      { tokens: [], top: RANKED_CANDIDATES },
    );
    return best.logits.find((token, i) => i % 2 === 0 && grammar.allows(token)) ?? null;
  }
}

/**
 * The configuration with a bias of −∞ for every token that the grammar forbids.
 * @throws EngineError `invalid` when it forbids all.
 */
function withoutForbidden(config: SamplerConfig, grammar: TokenGrammar): SamplerConfig {
  const allowed = grammar.allowedTokens();
  if (allowed.length === 0) {
    throw new EngineError("invalid", "The grammar can't be completed: nothing may follow the text so far.");
  }
  const biases = new Float32Array(grammar.vocabularySize).fill(Number.NEGATIVE_INFINITY);
  for (const token of allowed) biases[token] = 0;
  const values = config.tokenBiasValues ?? [];
  for (const [i, token] of (config.tokenBiasKeys ?? []).entries()) biases[token]! += values[i]!;
  const tokenBiasKeys = new Uint32Array(biases.length);
  const tokenBiasValues = new Float32Array(biases.length);
  let count = 0;
  for (let token = 0; token < biases.length; token++) {
    if (biases[token] === 0) continue;
    tokenBiasKeys[count] = token;
    tokenBiasValues[count++] = biases[token]!;
  }
  return {
    ...config,
    tokenBiasKeys: tokenBiasKeys.slice(0, count),
    tokenBiasValues: tokenBiasValues.slice(0, count),
  };
}
