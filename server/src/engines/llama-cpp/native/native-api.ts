import type { LlamaContext, LlamaContextSequence, LlamaModel } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";

/**
 * The library's inner functions, which its public ones are built on. Only the inner ones can read the logits of a token
 * twice, bias end tokens and verify guessed tokens. They are used only after a self-test at the start.
 */
interface InnerContext {
  _ctx?: { sampleToken?(index: number, sampler: NativeSampler, ...results: unknown[]): Promise<unknown> };
}
interface InnerSequence {
  _tokenMeter?: unknown;
  _decodeTokens?(
    tokens: number[],
    logits: boolean[],
    priority: number,
    meter: unknown,
    shift: { size: number; strategy: "eraseBeginning" },
    onLogits: (logitIndex: number, tokenIndex: number) => Promise<unknown>,
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
}
interface NativeSampler {
  applyConfig(config: SamplerConfig): void;
  dispose(): void;
}

/**
 * llama.cpp's sampler chain: bias, penalties, then the best token at temperature 0, else top-k, top-p, min-p,
 * temperature and a random draw. An absent step is left out.
 */
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

/** The library's default; every evaluation has the same. */
const EVALUATION_PRIORITY = 5;

export class NativeApi {
  readonly #model: InnerModel;
  readonly #context: InnerContext;
  readonly #samplers: NativeSamplerClass;

  private constructor(model: InnerModel, context: InnerContext, samplers: NativeSamplerClass) {
    this.#model = model;
    this.#context = context;
    this.#samplers = samplers;
  }

  /** Null where the library lacks one of the functions. A self-test has to find out whether they behave as expected. */
  static of(model: LlamaModel, context: LlamaContext, sequence: LlamaContextSequence): NativeApi | null {
    const inner = { model: model as InnerModel, context: context as InnerContext };
    const samplers = inner.model._llama?._bindings?.AddonSampler;
    const complete =
      typeof samplers === "function" &&
      typeof inner.context._ctx?.sampleToken === "function" &&
      typeof (sequence as InnerSequence)._decodeTokens === "function" &&
      inner.model._model !== undefined;
    return complete ? new NativeApi(inner.model, inner.context, samplers) : null;
  }

  createSampler(): Sampler {
    return new Sampler(new this.#samplers(this.#model._model));
  }

  /**
   * Computes tokens, which must fit the context, and calls `onLogits` with the logits after each token from index `from`
   * on, one after the other. When `onLogits` throws, the batch is still computed, then the promise rejects with the error.
   */
  async evaluate(
    sequence: LlamaContextSequence,
    tokens: readonly number[],
    from: number,
    onLogits: (logits: LogitsHandle, index: number) => Promise<void>,
  ): Promise<void> {
    const inner = sequence as InnerSequence;
    const needsLogits = tokens.map((_, index) => index >= from);
    const context = this.#context._ctx!;
    let failure: { error: unknown } | null = null;
    // An exception in the callback would leave the library waiting for the batch for ever.
    const guarded = async (logits: LogitsHandle, index: number): Promise<void> => {
      try {
        if (failure === null) await onLogits(logits, index);
      } catch (error) {
        failure = { error };
      }
    };
    await inner._decodeTokens!(
      [...tokens],
      needsLogits,
      EVALUATION_PRIORITY,
      inner._tokenMeter,
      { size: 1, strategy: "eraseBeginning" },
      (logitIndex, tokenIndex) =>
        guarded((sampler, ...results) => context.sampleToken!(logitIndex, sampler, ...results), tokenIndex),
      inner._takeIntervalCheckpointIfNeededAfterBatch,
    );
    if (failure !== null) throw (failure as { error: unknown }).error;
  }
}

/** The logits after one token. Valid only within the callback of `evaluate`. */
export type LogitsHandle = (sampler: NativeSampler, ...results: unknown[]) => Promise<unknown>;

/** llama.cpp's sampler chain with its own random state and penalty history. One call at a time. */
export class Sampler {
  readonly #native: NativeSampler;
  #disposed = false;
  #running = 0;

  constructor(native: NativeSampler) {
    this.#native = native;
  }

  /** Picks a token. */
  async sample(logits: LogitsHandle, config: SamplerConfig): Promise<number> {
    const token = (await this.#call(config, () => logits(this.#native))) as number;
    if (token === -1) throw new Error("no token can follow");
    return token;
  }

  /**
   * Checks the greedily picked token only: either all logits are finite or none is, and with NaN llama.cpp picks token 0.
   * @throws EngineError `invalid` when the logits are not finite.
   */
  async assertFiniteLogits(logits: LogitsHandle): Promise<void> {
    const config = { temperature: 0 };
    if ((await this.sample(logits, config)) > 0) return;
    const { logits: first } = await this.selectedLogits(logits, config, { tokens: [0], top: 0 });
    if (first.every(Number.isFinite)) return;
    throw new EngineError("invalid", "The LoRA's weights are out of range: with them the model fails.");
  }

  /**
   * Logits as `[token, logit, …]`: of `tokens` and the best token when `top` is 0, else of the `top` best tokens. `weight`
   * is the sum of e^(logit − best logit) over all tokens that the chain left.
   */
  async selectedLogits(
    logits: LogitsHandle,
    config: SamplerConfig,
    selection: { tokens: readonly number[]; top: number },
  ): Promise<{ logits: readonly number[]; weight: number }> {
    const { tokens, top } = selection;
    const filter = [tokens, false, false, top === 0, top];
    const result = (await this.#call(config, () =>
      logits(this.#native, false, false, filter, top === 0),
    )) as [number, unknown, unknown, number[], number];
    return { logits: result[3], weight: result[4] };
  }

  /** All logits, best first, as `[token, logit, …]`. */
  async sortedLogits(logits: LogitsHandle, config: SamplerConfig): Promise<readonly number[]> {
    const result = (await this.#call(config, () => logits(this.#native, false, false, true, false))) as [
      number,
      unknown,
      unknown,
      number[],
    ];
    return result[3];
  }

  /** Frees the native memory, after a running call. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#running === 0) this.#native.dispose();
  }

  async #call(config: SamplerConfig, call: () => Promise<unknown>): Promise<unknown> {
    if (this.#disposed) throw new Error("the sampler is gone");
    this.#running++;
    try {
      this.#native.applyConfig(config);
      return await call();
    } finally {
      this.#running--;
      if (this.#disposed && this.#running === 0) this.#native.dispose();
    }
  }
}
