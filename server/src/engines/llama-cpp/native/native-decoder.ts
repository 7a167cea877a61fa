import type { LlamaContextSequence, LlamaGrammarEvaluationState } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import type { GrammarBudget } from "../sampling/grammar-budget.ts";
import { LogitBias } from "../sampling/logit-bias.ts";
import { LogprobScorer } from "../sampling/logprob-scorer.ts";
import { toSamplerConfig } from "../sampling/sampler-config.ts";
import { ThinkingBudget } from "../sampling/thinking-budget.ts";
import { needsTypicalMirostatSampler, TypicalMirostatSampler } from "../sampling/typical-mirostat-sampler.ts";
import type { Decoder, DecodeSpec, GeneratedToken } from "../scheduling/backend.ts";
import type { Proposer } from "../speculation/proposer.ts";
import type { LogitsHandle, NativeApi, Sampler, SamplerConfig } from "./native-api.ts";

export interface NativeDecoderOptions {
  nativeApi: NativeApi;
  sequence: LlamaContextSequence;
  contextSize: number;
  endTokens: readonly number[];
  isEnd(token: number): boolean;
  bytes(token: number): Uint8Array;
  encode(text: string): readonly number[];
}

/** Tokens held against a grammar before all are. */
const BEST_TRIED = 64;
const MORE_GOES = 2;

/** Makes the tokens of a choice that asks for more than plain sampling. */
export class NativeDecoder implements Decoder {
  readonly #options: NativeDecoderOptions;
  readonly #spec: DecodeSpec;
  readonly #output: number[] = [];
  readonly #logitBias: LogitBias;
  readonly #sampler: Sampler;
  readonly #typicalMirostatSampler: TypicalMirostatSampler | null;
  readonly #scorer: LogprobScorer | null;
  readonly #thinking: ThinkingBudget | null;
  readonly #proposer: Proposer | null;
  readonly #grammar: LlamaGrammarEvaluationState | null;
  readonly #grammarBudget: GrammarBudget | null;
  /** With an adapter. */
  readonly #finiteCheckSampler: Sampler | null;
  /** Tokens to compute next; what follows the last of them is made. */
  #nextInput: readonly number[];
  /** What may come after those; null: not asked yet. */
  #proposed: readonly number[] | null = null;
  /** Tokens that must come next. */
  #forced: number[];
  /** What must come next ends the choice. */
  #endForced = false;
  allFinite = false;

  /** @param grammar at its start; `closing` too. */
  constructor(
    parts: NativeDecoderOptions,
    tokens: readonly number[],
    spec: DecodeSpec,
    grammar: LlamaGrammarEvaluationState | null,
    closing: GrammarBudget | null,
    speculation: Proposer | null = null,
  ) {
    const { nativeApi: direct, bytes, encode } = parts;
    this.#options = parts;
    this.#spec = spec;
    this.#nextInput = tokens;
    this.#grammar = grammar;
    this.#grammarBudget = closing;
    this.#logitBias = new LogitBias(spec.sampling, parts.endTokens);
    this.#sampler = direct.createSampler();
    this.#finiteCheckSampler = spec.loraKey === undefined ? null : direct.createSampler();
    this.#typicalMirostatSampler = needsTypicalMirostatSampler(spec.sampling)
      ? new TypicalMirostatSampler(spec.sampling)
      : null;
    this.#scorer = spec.logprobs === undefined ? null : new LogprobScorer(direct, bytes);
    this.#thinking =
      spec.thinking === undefined
        ? null
        : new ThinkingBudget({ block: spec.thinking, constrained: grammar !== null, bytes, encode });
    this.#proposer = speculation;
    this.#forced = [...(this.#thinking?.initialTokens() ?? [])];
  }

  get prediction(): Decoder["prediction"] {
    return this.#proposer ?? undefined;
  }

  async prepare(): Promise<void> {
    const room = this.#spec.maxTokens - this.#output.length - 1;
    const forced = this.#forced.slice(0, room);
    this.#proposed = forced.length > 0 ? forced : ((await this.#proposer?.propose(room)) ?? []);
  }

  async next(): Promise<readonly GeneratedToken[]> {
    const { nativeApi: direct, sequence } = this.#options;
    if (this.#proposed === null) await this.prepare();
    const ahead = this.#proposed!;
    this.#proposed = null;
    const firstAt = this.#nextInput.length - 1;
    const made: GeneratedToken[] = [];
    let asExpected = true;
    this.allFinite = false;
    await direct.evaluate(sequence, [...this.#nextInput, ...ahead], firstAt, async (logits, index) => {
      await this.#finiteCheckSampler?.assertFiniteLogits(logits);
      if (!asExpected) return;
      const one = await this.#make(logits);
      made.push(one);
      asExpected = !one.ends && one.token === ahead[index - firstAt];
    });
    await this.#dropLast(ahead.length - (made.length - 1));
    this.#nextInput = [made.at(-1)!.token];
    this.allFinite = this.#finiteCheckSampler !== null;
    return made;
  }

  end(): void {
    this.#sampler.dispose();
    this.#finiteCheckSampler?.dispose();
    this.#proposer?.dispose?.();
    this.#scorer?.dispose();
  }

  async #make(logits: LogitsHandle): Promise<GeneratedToken> {
    const token = this.#forced.shift() ?? (await this.#pick(logits));
    this.#output.push(token);
    this.#proposer?.onToken(token);
    const follow = this.#thinking?.onToken(token) ?? [];
    if (follow.length > 0) this.#forced = [...follow];
    const made: GeneratedToken = { token, ends: this.#ends(token) };
    if (made.ends && this.#endForced) made.closed = true;
    if (this.#scorer !== null) made.info = await this.#scorer.score(logits, token, this.#spec.logprobs!);
    return made;
  }

  /** With a grammar the end token says that it is complete, and there is nothing to go on with. */
  #ends(token: number): boolean {
    return this.#options.isEnd(token) && (this.#spec.ignoreEos !== true || this.#constraint !== null);
  }

  /** The grammar, where it applies now. */
  get #constraint(): LlamaGrammarEvaluationState | null {
    return this.#thinking === null || this.#thinking.outsideBlock ? this.#grammar : null;
  }

  async #pick(logits: LogitsHandle): Promise<number> {
    const token = await this.#sample(logits);
    if (this.#thinking === null || this.#thinking.outsideBlock) return this.#endWithinBudget(token);
    const instead = this.#thinking.replacementFor(token, this.#options.isEnd(token));
    if (instead === null) return token;
    if (instead.length === 0) return this.#endWithinBudget(await this.#sample(logits));
    this.#forced = instead.slice(1);
    return instead[0]!;
  }

  /** The token, or where it would leave too few for the grammar's end, the first of those that end it. */
  #endWithinBudget(token: number): number {
    if (this.#grammarBudget === null || this.#options.isEnd(token)) return token;
    const left = this.#spec.maxTokens - this.#output.length - 1;
    const ending = this.#grammarBudget.forcedEnding(token, left);
    if (ending === null) return token;
    this.#endForced = true;
    this.#forced = ending.slice(1);
    return ending[0]!;
  }

  async #sample(logits: LogitsHandle): Promise<number> {
    const { sampling, prompt, minTokens = 0 } = this.#spec;
    const history = { prompt, output: this.#output };
    const noEnd = this.#output.length < minTokens;
    const config = toSamplerConfig(sampling, history, this.#logitBias, this.#options.contextSize, noEnd);
    const grammar = this.#constraint;
    const token = await this.#draw(logits, config, grammar);
    // llama.cpp picks the first token of all where none may follow, and that may be an end token.
    if (
      grammar !== null &&
      this.#options.isEnd(token) &&
      !this.#options.nativeApi.acceptsNext(grammar, token)
    ) {
      throw new EngineError("invalid", "The grammar can't be completed: nothing may follow the text so far.");
    }
    return token;
  }

  async #draw(
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState | null,
  ): Promise<number> {
    if (this.#typicalMirostatSampler === null) {
      const quick = grammar === null ? null : await this.#drawQuickly(logits, config, grammar);
      return quick ?? this.#sampler.sample(logits, config, grammar);
    }
    // Greedily, so that bias and penalties are all that is done to the logits.
    const all = await this.#sampler.sortedLogits(
      logits,
      { ...config, temperature: 0 },
      grammar?.clone() ?? null,
    );
    const token = this.#typicalMirostatSampler.sample(all);
    if (grammar !== null && !this.#options.isEnd(token)) this.#options.nativeApi.accept(grammar, token);
    return token;
  }

  /**
   * To hold a grammar against all tokens takes nearly as long as to compute one. So the best are tried one by one, or
   * chance is given some more goes: what it comes to has the same distribution. Null when none was allowed.
   */
  async #drawQuickly(
    logits: LogitsHandle,
    config: SamplerConfig,
    grammar: LlamaGrammarEvaluationState,
  ): Promise<number | null> {
    const { nativeApi: direct, isEnd } = this.#options;
    const allowed = (token: number): boolean => {
      if (!direct.acceptsNext(grammar, token)) return false;
      if (!isEnd(token)) direct.accept(grammar, token);
      return true;
    };
    for (let goes = 0; goes < (config.temperature > 0 ? MORE_GOES : 1); goes++) {
      const token = await this.#sampler.sample(logits, config, null);
      if (allowed(token)) return token;
    }
    if (config.temperature > 0) return null;
    const ranked = { ...config, temperature: 1, topP: 1, minP: 0, topK: BEST_TRIED };
    const best = await this.#sampler.selectedLogits(logits, ranked, { tokens: [], top: BEST_TRIED });
    return best.logits.find((token, i) => i % 2 === 0 && allowed(token)) ?? null;
  }

  /** Drops the last tokens of the slot's state, computed for guesses that were wrong. */
  async #dropLast(count: number): Promise<void> {
    if (count === 0) return;
    const { sequence } = this.#options;
    const end = sequence.nextTokenIndex;
    await sequence.eraseContextTokenRanges([{ start: end - count, end }]);
  }
}
