import type { LlamaContextSequence } from "node-llama-cpp";
import type { GrammarBudget } from "../sampling/grammar-budget.ts";
import { LogprobScorer } from "../sampling/logprob-scorer.ts";
import { ThinkingBudget } from "../sampling/thinking-budget.ts";
import type { TokenGrammar } from "../sampling/token-grammar.ts";
import { TokenSampler } from "../sampling/token-sampler.ts";
import type { Decoder, DecodeSpec, GeneratedToken } from "../scheduling/backend.ts";
import type { Proposer } from "../speculation/proposer.ts";
import type { LogitsHandle, NativeApi, Sampler } from "./native-api.ts";

/** The model and the slot that a decoder works with. */
export interface DecoderContext {
  nativeApi: NativeApi;
  sequence: LlamaContextSequence;
  contextSize: number;
  endTokens: readonly number[];
  isEnd(token: number): boolean;
  bytes(token: number): Uint8Array;
  encode(text: string): readonly number[];
}

export interface DecodeJob {
  /** Tokens of the prompt that are left to compute; the first token is generated after the last of them. */
  tokens: readonly number[];
  spec: DecodeSpec;
  /** In its start state. */
  grammar?: TokenGrammar | undefined;
  /** In its start state. Absent: the grammar may be cut off by `maxTokens`. */
  grammarBudget?: GrammarBudget | undefined;
  /** Absent: one token a call, without speculation. */
  proposer?: Proposer | undefined;
}

/**
 * Generates the tokens of one choice. Forced tokens and guesses are computed in the same batch as the last token;
 * each guess is kept only when sampling picks the same token after it, so that speculation never changes the output.
 */
export class NativeDecoder implements Decoder {
  readonly #context: DecoderContext;
  readonly #spec: DecodeSpec;
  readonly #output: number[] = [];
  readonly #tokenSampler: TokenSampler;
  readonly #scorer: LogprobScorer | null;
  readonly #thinking: ThinkingBudget | null;
  readonly #proposer: Proposer | null;
  readonly #grammar: TokenGrammar | null;
  readonly #grammarBudget: GrammarBudget | null;
  /** Checks the logits for NaN; null without a LoRA. */
  readonly #finiteCheckSampler: Sampler | null;
  /** Tokens to compute next; the next token is generated after the last of them. */
  #nextInput: readonly number[];
  /** Forced or guessed tokens to compute after `#nextInput`; null: `prepare` has not run. */
  #proposed: readonly number[] | null = null;
  /** Tokens that come next without sampling. */
  #forced: number[];
  /** The forced tokens complete the grammar and end the choice. */
  #endForced = false;
  allFinite = false;

  constructor(context: DecoderContext, { tokens, spec, grammar, grammarBudget, proposer }: DecodeJob) {
    const { nativeApi, bytes, encode } = context;
    this.#context = context;
    this.#spec = spec;
    this.#nextInput = tokens;
    this.#grammar = grammar ?? null;
    this.#grammarBudget = grammarBudget ?? null;
    this.#proposer = proposer ?? null;
    this.#tokenSampler = new TokenSampler({
      nativeApi,
      sampling: spec.sampling,
      prompt: spec.prompt,
      contextSize: context.contextSize,
      endTokens: context.endTokens,
    });
    this.#finiteCheckSampler = spec.loraKey === undefined ? null : nativeApi.createSampler();
    this.#scorer = spec.logprobs === undefined ? null : new LogprobScorer(nativeApi, bytes);
    this.#thinking =
      spec.thinking === undefined
        ? null
        : new ThinkingBudget({ block: spec.thinking, constrained: this.#grammar !== null, bytes, encode });
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
    const { nativeApi, sequence } = this.#context;
    if (this.#proposed === null) await this.prepare();
    const proposed = this.#proposed!;
    this.#proposed = null;
    const firstAt = this.#nextInput.length - 1;
    const generated: GeneratedToken[] = [];
    let proposalHolds = true;
    this.allFinite = false;
    await nativeApi.evaluate(sequence, [...this.#nextInput, ...proposed], firstAt, async (logits, index) => {
      await this.#finiteCheckSampler?.assertFiniteLogits(logits);
      if (!proposalHolds) return;
      const next = await this.#generate(logits);
      generated.push(next);
      proposalHolds = !next.ends && next.token === proposed[index - firstAt];
    });
    await this.#dropLast(proposed.length - (generated.length - 1));
    this.#nextInput = [generated.at(-1)!.token];
    this.allFinite = this.#finiteCheckSampler !== null;
    return generated;
  }

  end(): void {
    this.#tokenSampler.dispose();
    this.#finiteCheckSampler?.dispose();
    this.#proposer?.dispose?.();
    this.#scorer?.dispose();
  }

  async #generate(logits: LogitsHandle): Promise<GeneratedToken> {
    const token = this.#forced.shift() ?? (await this.#chooseToken(logits));
    this.#output.push(token);
    this.#proposer?.onToken(token);
    const forcedNext = this.#thinking?.onToken(token) ?? [];
    if (forcedNext.length > 0) this.#forced = [...forcedNext];
    const generated: GeneratedToken = { token, ends: this.#ends(token) };
    if (generated.ends && this.#endForced) generated.closed = true;
    if (this.#scorer !== null) {
      generated.info = await this.#scorer.score(logits, token, this.#spec.logprobs!);
    }
    return generated;
  }

  /** An end token ends the choice also with `ignoreEos` when a grammar applies: the grammar is then complete. */
  #ends(token: number): boolean {
    return this.#context.isEnd(token) && (this.#spec.ignoreEos !== true || this.#activeGrammar !== null);
  }

  /** Null within a think block, where the grammar does not apply. */
  get #activeGrammar(): TokenGrammar | null {
    return this.#thinking === null || this.#thinking.outsideBlock ? this.#grammar : null;
  }

  /** The sampled token, or the first of the tokens that a budget forces in its place. */
  async #chooseToken(logits: LogitsHandle): Promise<number> {
    const token = await this.#sample(logits);
    if (this.#thinking === null || this.#thinking.outsideBlock) return this.#endWithinBudget(token);
    const replacement = this.#thinking.replacementFor(token, this.#context.isEnd(token));
    if (replacement === null) return token;
    if (replacement.length === 0) return this.#endWithinBudget(await this.#sample(logits));
    this.#forced = replacement.slice(1);
    return replacement[0]!;
  }

  /** Forces the grammar's ending when `token` would leave too few tokens to complete it. */
  #endWithinBudget(token: number): number {
    if (this.#grammarBudget === null || this.#context.isEnd(token)) return token;
    const tokensLeft = this.#spec.maxTokens - this.#output.length - 1;
    const ending = this.#grammarBudget.forcedEnding(token, tokensLeft);
    if (ending === null) return token;
    this.#endForced = true;
    this.#forced = ending.slice(1);
    return ending[0]!;
  }

  #sample(logits: LogitsHandle): Promise<number> {
    return this.#tokenSampler.sample(logits, {
      output: this.#output,
      suppressEnd: this.#output.length < (this.#spec.minTokens ?? 0),
      grammar: this.#activeGrammar,
    });
  }

  /** Drops the last `count` tokens from the slot: they were computed for guesses that were rejected. */
  async #dropLast(count: number): Promise<void> {
    if (count === 0) return;
    const { sequence } = this.#context;
    const end = sequence.nextTokenIndex;
    await sequence.eraseContextTokenRanges([{ start: end - count, end }]);
  }
}
