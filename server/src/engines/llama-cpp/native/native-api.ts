import type {
  LlamaContext,
  LlamaContextSequence,
  LlamaGrammarEvaluationState,
  LlamaModel,
} from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";

/**
 * The library's inner functions, which its public ones are made of. They allow what those don't: to look at the
 * logits of a token twice, to bias end tokens, to check guessed tokens. Used only after a test at the start.
 */
interface InnerContext {
  _ctx?: { sampleToken?(index: number, sampler: NativeSampler, ...wanted: unknown[]): Promise<unknown> };
}
interface InnerSequence {
  _tokenMeter?: unknown;
  _decodeTokens?(
    tokens: number[],
    logits: boolean[],
    priority: number,
    meter: unknown,
    shift: { size: number; strategy: "eraseBeginning" },
    at: (logitIndex: number, tokenIndex: number) => Promise<unknown>,
    afterBatch: unknown,
  ): Promise<unknown>;
  _takeIntervalCheckpointIfNeededAfterBatch?: unknown;
}
interface InnerModel {
  _model?: unknown;
  _llama?: {
    _bindings?: { AddonSampler?: NativeSamplerClass };
  };
}
interface NativeSamplerClass {
  new (model: unknown): NativeSampler;
  acceptGrammarEvaluationStateToken(state: unknown, token: number): void;
  canBeNextTokenForGrammarEvaluationState(state: unknown, token: number): boolean;
}
interface NativeSampler {
  applyConfig(config: SamplerConfig & { grammarEvaluationState?: unknown }): void;
  dispose(): void;
}

/** llama.cpp's sampler chain: bias, penalties, then greedily or top-k, top-p, min-p, temperature, chance. */
export interface SamplerConfig {
  temperature: number;
  topP?: number;
  topK?: number;
  minP?: number;
  seed?: number;
  repeatPenalty?: number;
  repeatPenaltyMaxTokens?: number;
  repeatPenaltyTokens?: Uint32Array;
  repeatPenaltyPresencePenalty?: number;
  repeatPenaltyFrequencyPenalty?: number;
  tokenBiasKeys?: Uint32Array;
  tokenBiasValues?: Float32Array;
}

/** Evaluation of the library's default importance; all are alike here. */
const PRIORITY = 5;

export class NativeApi {
  readonly #model: InnerModel;
  readonly #context: InnerContext;
  readonly #samplers: NativeSamplerClass;

  private constructor(model: InnerModel, context: InnerContext, samplers: NativeSamplerClass) {
    this.#model = model;
    this.#context = context;
    this.#samplers = samplers;
  }

  /** Null where the library has no such functions. That they do what they should is for a test to find out. */
  static of(model: LlamaModel, context: LlamaContext, sequence: LlamaContextSequence): NativeApi | null {
    const inner = { model: model as InnerModel, context: context as InnerContext };
    const samplers = inner.model._llama?._bindings?.AddonSampler;
    const whole =
      typeof samplers === "function" &&
      typeof samplers.acceptGrammarEvaluationStateToken === "function" &&
      typeof samplers.canBeNextTokenForGrammarEvaluationState === "function" &&
      typeof inner.context._ctx?.sampleToken === "function" &&
      typeof (sequence as InnerSequence)._decodeTokens === "function" &&
      inner.model._model !== undefined;
    return whole ? new NativeApi(inner.model, inner.context, samplers) : null;
  }

  createSampler(): Sampler {
    return new Sampler(new this.#samplers(this.#model._model));
  }

  /**
   * Computes tokens, and calls `at` with the logits after each from the token `from` on, one after the other.
   * They must fit the context. Rejects with what `at` threw, when all is computed.
   */
  async evaluate(
    sequence: LlamaContextSequence,
    tokens: readonly number[],
    from: number,
    at: (logits: LogitsHandle, index: number) => Promise<void>,
  ): Promise<void> {
    const inner = sequence as InnerSequence;
    const wanted = tokens.map((_, index) => index >= from);
    const context = this.#context._ctx!;
    let failure: { error: unknown } | null = null;
    // The library would never end the batch if this failed.
    const guarded = async (logits: LogitsHandle, index: number): Promise<void> => {
      try {
        if (failure === null) await at(logits, index);
      } catch (error) {
        failure = { error };
      }
    };
    await inner._decodeTokens!(
      [...tokens],
      wanted,
      PRIORITY,
      inner._tokenMeter,
      { size: 1, strategy: "eraseBeginning" },
      (logitIndex, tokenIndex) =>
        guarded((sampler, ...what) => context.sampleToken!(logitIndex, sampler, ...what), tokenIndex),
      inner._takeIntervalCheckpointIfNeededAfterBatch,
    );
    if (failure !== null) throw (failure as { error: unknown }).error;
  }

  acceptsNext(state: LlamaGrammarEvaluationState, token: number): boolean {
    return this.#samplers.canBeNextTokenForGrammarEvaluationState(nativeState(state), token);
  }

  accept(state: LlamaGrammarEvaluationState, token: number): void {
    this.#samplers.acceptGrammarEvaluationStateToken(nativeState(state), token);
  }
}

/** What follows one token: gone when the next batch is computed. */
export type LogitsHandle = (sampler: NativeSampler, ...what: unknown[]) => Promise<unknown>;

/** Picks tokens; has its own random numbers and history. One call at a time. */
export class Sampler {
  readonly #native: NativeSampler;
  #disposed = false;
  #running = 0;

  constructor(native: NativeSampler) {
    this.#native = native;
  }

  /** @param grammar moved on by the token that is picked. */
  async sample(
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState | null,
  ): Promise<number> {
    const token = (await this.#call(config, grammar, () => logits(this.#native))) as number;
    if (token === -1) throw new Error("no token can follow");
    return token;
  }

  /**
   * The logits are numbers: all of them or none are. Then none is the best, and llama.cpp picks the first of all.
   * @throws EngineError `invalid` otherwise.
   */
  async assertFiniteLogits(logits: LogitsHandle): Promise<void> {
    const config = { temperature: 0 };
    if ((await this.sample(logits, config, null)) > 0) return;
    const { logits: first } = await this.selectedLogits(logits, config, { tokens: [0], top: 0 });
    if (first.every(Number.isFinite)) return;
    throw new EngineError("invalid", "The adapter's weights are out of range: with them the model fails.");
  }

  /**
   * Logits as `[token, logit, …]`: of `tokens` and the best, or of the `top` best. `weight`: the sum of
   * e^(logit − best logit) over all the sampler left.
   */
  async selectedLogits(
    logits: LogitsHandle,
    config: SamplerConfig,
    what: { tokens: readonly number[]; top: number },
  ): Promise<{ logits: readonly number[]; weight: number }> {
    const filter = [what.tokens, false, false, what.top === 0, what.top];
    const result = (await this.#call(config, null, () =>
      logits(this.#native, false, false, filter, what.top === 0),
    )) as [number, unknown, unknown, number[], number];
    return { logits: result[3], weight: result[4] };
  }

  /** All logits, best first, as `[token, logit, …]`; what `grammar` forbids is −∞. `grammar` is used up. */
  async sortedLogits(
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState | null,
  ): Promise<readonly number[]> {
    const result = (await this.#call(config, grammar, () =>
      logits(this.#native, false, false, true, false),
    )) as [number, unknown, unknown, number[]];
    return result[3];
  }

  /** Frees it once the call that runs is over. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#running === 0) this.#native.dispose();
  }

  async #call(
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState | null,
    call: () => Promise<unknown>,
  ): Promise<unknown> {
    if (this.#disposed) throw new Error("the sampler is gone");
    this.#running++;
    try {
      const state = grammar === null ? {} : { grammarEvaluationState: nativeState(grammar) };
      this.#native.applyConfig({ ...config, ...state });
      return await call();
    } finally {
      this.#running--;
      if (this.#disposed && this.#running === 0) this.#native.dispose();
    }
  }
}

function nativeState(state: LlamaGrammarEvaluationState): unknown {
  return (state as { _state?: unknown })._state;
}
