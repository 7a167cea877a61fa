import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import type { EngineCapabilities, TokenInfo } from "../../../engine/port.ts";
import { capabilitiesOf } from "../capabilities.ts";
import { GrammarBudget } from "../sampling/grammar-budget.ts";
import { LogprobScorer } from "../sampling/logprob-scorer.ts";
import { toEvaluateOptions } from "../sampling/sampler-config.ts";
import type { Backend, Decoder, DecodeSpec } from "../scheduling/backend.ts";
import { BLOCK_TOKENS } from "../scheduling/prefill-blocks.ts";
import type { DraftModel } from "../speculation/draft-model.ts";
import { type NgramOptions, NgramProposer } from "../speculation/ngram.ts";
import { BatchCosts, PredictedOutputProposer } from "../speculation/predicted-output.ts";
import type { Proposer } from "../speculation/proposer.ts";
import { TokenBytes } from "../tokenizer/token-bytes.ts";
import { GrammarCache } from "./grammar-cache.ts";
import { passesLoraSelfTest } from "./lora-self-test.ts";
import { NativeApi, type Sampler } from "./native-api.ts";
import { passesNativeApiSelfTest } from "./native-api-self-test.ts";
import { NativeDecoder, type NativeDecoderOptions } from "./native-decoder.ts";
import { NativeLoras } from "./native-loras.ts";

/** Not in the library's public interface: used only where it exists and passes a test at the start. */
interface CopyingSequence {
  _copyStateFromOtherSequence?(other: LlamaContextSequence, upToTokenIndex: number): Promise<boolean>;
}

/** Fewer at once than the kernel takes that looks at everything in a slot's memory. */
const WIPED_AT_ONCE = BLOCK_TOKENS - 1;
/** Rising, the first of one token: measured too slow it would make guesses look cheap. Streams wait meanwhile, once. */
const BATCHES_MEASURED = [
  { tokens: 1, rounds: 3 },
  { tokens: 8, rounds: 1 },
  { tokens: 24, rounds: 1 },
];
/** A second token costs as much as the first. */
const NO_GUESSES = new BatchCosts([
  { tokens: 1, ms: 1 },
  { tokens: 2, ms: 2 },
]);

/** The scheduler's view of a node-llama-cpp context: a slot is a context sequence. */
export class LlamaBackend implements Backend {
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #cpuMs: () => number;
  readonly #sequences: LlamaContextSequence[];
  readonly #grammars: GrammarCache;
  readonly #tokenBytes: TokenBytes;
  readonly #endTokens: readonly number[];
  /** Null where adapters can't be used. */
  loras: NativeLoras | null = null;
  /** How what comes next is guessed; null: not at all. */
  speculation: { draft: DraftModel } | { ngram: NgramOptions } | null = null;
  #canCopy = false;
  #nativeApi: NativeApi | null = null;
  /** What guessed tokens cost; null: nobody has asked yet. */
  #batchCosts: BatchCosts | null = null;

  /** @param cpuMs CPU time used so far: unlike the time of day, what else the machine does is not in it. */
  constructor(model: LlamaModel, context: LlamaContext, cpuMs = cpuMsOfProcess) {
    this.#model = model;
    this.#context = context;
    this.#cpuMs = cpuMs;
    this.#grammars = new GrammarCache(model.llama, model);
    this.#tokenBytes = new TokenBytes(model);
    this.#endTokens = [...model.iterateAllTokens()].filter((token) => model.isEogToken(token));
    this.#sequences = Array.from({ length: context.totalSequences }, () => context.getSequence());
  }

  get slots(): number {
    return this.#sequences.length;
  }

  cachedTokens(slot: number): readonly number[] {
    return this.#sequences[slot]!.contextTokens;
  }

  async truncate(slot: number, count: number): Promise<number> {
    const sequence = this.#sequences[slot]!;
    await sequence.adaptStateToTokens(sequence.contextTokens.slice(0, count), false);
    return sequence.nextTokenIndex;
  }

  get canCopy(): boolean {
    return this.#canCopy;
  }

  async copy(from: number, to: number, count: number): Promise<number> {
    const source = this.#sequences[from]!;
    const target: LlamaContextSequence & CopyingSequence = this.#sequences[to]!;
    try {
      if (await target._copyStateFromOtherSequence?.(source, count)) return count;
    } catch {
      this.#canCopy = false;
    }
    return this.truncate(to, 0);
  }

  /**
   * Finds out whether states can be copied: a copy must continue as its original does. Leaves slots 0 and 1 empty.
   * @param tokens two at least.
   */
  async testCopying(tokens: readonly number[]): Promise<void> {
    const sequence: LlamaContextSequence & CopyingSequence = this.#sequences[0]!;
    if (this.slots < 2 || sequence.needsCheckpoints) return;
    if (typeof sequence._copyStateFromOtherSequence !== "function") return;
    const kept = tokens.slice(0, -1);
    const last = tokens.slice(-1);
    await this.prefill(0, kept);
    const copied = await this.copy(0, 1, kept.length);
    const [original, copy] = [
      await this.#decodeGreedily(0, last),
      copied > 0 ? await this.#decodeGreedily(1, last) : [],
    ];
    await this.truncate(0, 0);
    await this.truncate(1, 0);
    this.#canCopy = copied === kept.length && original.join() === copy.join();
  }

  async #decodeGreedily(slot: number, tokens: readonly number[]): Promise<number[]> {
    const spec = { sampling: { temperature: 0 }, prompt: tokens, maxTokens: 2 };
    const decoder = this.#plainDecoder(slot, tokens, spec);
    const made = [...(await decoder.next()), ...(await decoder.next())];
    decoder.end();
    return made.map(({ token }) => token);
  }

  useLora(adapter: number | null): boolean {
    return this.loras?.use(adapter) ?? false;
  }

  async wipe(slot: number, from: number | null): Promise<void> {
    const sequence = this.#sequences[slot]!;
    // Guesses that were dropped may lie behind what is held.
    let left = Math.min(this.#context.contextSize, sequence.nextTokenIndex + BLOCK_TOKENS);
    if (
      from === null ||
      !this.#canCopy ||
      (await this.copy(from, slot, this.cachedTokens(from).length)) === 0
    ) {
      await this.truncate(slot, 0);
      this.useLora(null);
      for (const any = this.#model.tokens.bos ?? 0; left > 0; left -= WIPED_AT_ONCE) {
        await this.prefill(slot, new Array<number>(Math.min(left, WIPED_AT_ONCE)).fill(any));
      }
    }
    await this.truncate(slot, 0);
  }

  async prefill(slot: number, tokens: readonly number[]): Promise<void> {
    await this.#sequences[slot]!.evaluateWithoutGeneratingNewTokens([...tokens] as Token[]);
  }

  async decode(slot: number, tokens: readonly number[], spec: DecodeSpec): Promise<Decoder> {
    const guesses = await this.#proposerFor(slot, spec);
    if (this.#nativeApi === null || (guesses === null && isPlain(spec))) {
      return this.#plainDecoder(slot, tokens, spec);
    }
    const parts = this.#nativeDecoderOptions(this.#nativeApi, slot);
    if (spec.grammar === undefined) return new NativeDecoder(parts, tokens, spec, null, null, guesses);
    const grammar = this.#grammars.begin(spec.grammar);
    return new NativeDecoder(parts, tokens, spec, grammar, this.#grammarBudget(spec.grammar), guesses);
  }

  /** A prediction knows best. */
  async #proposerFor(slot: number, { prediction, prompt, speculate }: DecodeSpec): Promise<Proposer | null> {
    if (prediction !== undefined)
      return new PredictedOutputProposer(prediction, await this.#batchCostsIn(slot));
    if (this.speculation === null || speculate === false) return null;
    return "draft" in this.speculation
      ? this.speculation.draft.begin(slot, prompt)
      : new NgramProposer(prompt, this.speculation.ngram, await this.#batchCostsIn(slot));
  }

  /** Null where outputs can't be ended by the grammar. */
  #grammarBudget(text: string): GrammarBudget | null {
    const grammar = this.#grammars.rules(text);
    const endToken = this.#model.tokens.eos ?? this.#endTokens[0];
    if (grammar === null || endToken === undefined) return null;
    const bytes = (token: number) => this.#tokenBytes.of(token);
    return new GrammarBudget({ grammar, bytes, spell: (text) => this.#tokenBytes.spell(text), endToken });
  }

  /** @throws EngineError `invalid`. */
  checkGrammar(text: string): void {
    this.#grammars.parse(text);
  }

  async score(
    slot: number,
    tokens: readonly number[],
    next: readonly number[],
    top: number,
  ): Promise<readonly TokenInfo[]> {
    const direct = this.#nativeApi!;
    const scorer = new LogprobScorer(direct, (token) => this.#tokenBytes.of(token));
    const infos: TokenInfo[] = [];
    try {
      await direct.evaluate(this.#sequences[slot]!, tokens, 0, async (logits, index) => {
        infos.push(await scorer.score(logits, next[index]!, top));
      });
    } finally {
      scorer.dispose();
    }
    return infos;
  }

  tokenInfo(token: number): TokenInfo {
    return { id: token, bytes: this.#tokenBytes.of(token), logprob: null, top: [] };
  }

  /**
   * Finds out whether the library's inner functions do what they are used for. Leaves slot 0 empty.
   * @param tokens two at least.
   */
  async testNativeApi(tokens: readonly number[]): Promise<void> {
    const direct = NativeApi.of(this.#model, this.#context, this.#sequences[0]!);
    if (direct === null) return;
    const parts = this.#nativeDecoderOptions(direct, 0);
    const continued = await this.#decodeGreedily(0, tokens);
    const begin = (grammar: string) => this.#grammars.begin(grammar);
    const passed = await passesNativeApiSelfTest(parts, tokens, continued, begin, (count) =>
      this.truncate(0, count),
    );
    await this.truncate(0, 0);
    if (passed) this.#nativeApi = direct;
  }

  /** Measured at the first guesses: most replicas never make any. Leaves the slot as it was. */
  async #batchCostsIn(slot: number): Promise<BatchCosts> {
    if (this.#batchCosts !== null) return this.#batchCosts;
    const sequence = this.#sequences[slot]!;
    const end = sequence.nextTokenIndex + BATCHES_MEASURED.at(-1)!.tokens;
    // Too near to the context's end to measure, or to gain much by guessing.
    if (this.#nativeApi === null || end >= this.#context.contextSize) return NO_GUESSES;
    const sampler = this.#nativeApi.createSampler();
    try {
      this.#batchCosts = await this.#measure(this.#nativeApi, sequence, sampler);
      return this.#batchCosts;
    } finally {
      sampler.dispose();
    }
  }

  async #measure(direct: NativeApi, sequence: LlamaContextSequence, sampler: Sampler): Promise<BatchCosts> {
    const start = sequence.nextTokenIndex;
    const measured: { tokens: number; ms: number }[] = [];
    for (const { tokens: count, rounds } of BATCHES_MEASURED) {
      const tokens = new Array<number>(count).fill(this.#model.tokens.bos ?? 0);
      let ms = Number.POSITIVE_INFINITY;
      for (let round = 0; round < rounds; round++) {
        const startMs = this.#cpuMs();
        // Looked at, as any with an adapter: what is no number would do harm to those computed beside it.
        await direct.evaluate(sequence, tokens, 0, (logits) => sampler.assertFiniteLogits(logits));
        ms = Math.min(ms, this.#cpuMs() - startMs);
        await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
      }
      measured.push({ tokens: count, ms });
    }
    return new BatchCosts(measured);
  }

  /**
   * Finds out whether adapters can be used. Leaves slot 0 empty.
   * @param tokens one will do.
   */
  async testLoras(tokens: readonly number[]): Promise<void> {
    const loras = NativeLoras.of(this.#model, this.#context);
    if (loras === null || this.#nativeApi === null) return;
    const logprob = async () => {
      await this.truncate(0, 0);
      return (await this.score(0, tokens, tokens, 0)).at(-1)!.logprob!;
    };
    const passed = await passesLoraSelfTest(loras, logprob);
    await this.truncate(0, 0);
    if (passed) this.loras = loras;
  }

  get capabilities(): EngineCapabilities {
    return capabilitiesOf({
      nativeApi: this.#nativeApi !== null,
      canRewind: !this.#sequences[0]!.needsCheckpoints,
      loras: this.loras !== null,
    });
  }

  #nativeDecoderOptions(direct: NativeApi, slot: number): NativeDecoderOptions {
    return {
      nativeApi: direct,
      sequence: this.#sequences[slot]!,
      contextSize: this.#context.contextSize,
      endTokens: this.#endTokens,
      isEnd: (token) => this.#model.isEogToken(token as Token),
      bytes: (token) => this.#tokenBytes.of(token),
      encode: (text) => this.#model.tokenize(text, true),
    };
  }

  #plainDecoder(slot: number, tokens: readonly number[], { sampling, prompt }: DecodeSpec): Decoder {
    const output: number[] = [];
    const history = { prompt, output };
    const options = toEvaluateOptions(sampling, history, this.#model, this.#context.contextSize);
    const tokensMade = this.#sequences[slot]!.evaluateWithMetadata([...tokens] as Token[], {}, options);
    const model = this.#model;
    return {
      async next() {
        const { value, done } = await tokensMade.next();
        if (done || value === undefined) throw new Error("the model stopped without an end token");
        const { token } = value;
        output.push(token);
        return [{ token, ends: model.isEogToken(token) }];
      },
      end() {
        tokensMade.return().catch(() => {});
      },
    };
  }

  detokenize(tokens: readonly number[], before: readonly number[]): string {
    return this.#model.detokenize(tokens as readonly Token[], false, before as readonly Token[]);
  }
}

function cpuMsOfProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Whether the library's public functions will do. */
function isPlain(spec: DecodeSpec): boolean {
  const { typicalP, mirostat, logitBias } = spec.sampling;
  return (
    spec.grammar === undefined &&
    spec.logprobs === undefined &&
    spec.minTokens === undefined &&
    spec.ignoreEos !== true &&
    spec.prediction === undefined &&
    spec.thinking === undefined &&
    spec.loraKey === undefined &&
    typicalP === undefined &&
    mirostat === undefined &&
    logitBias === undefined
  );
}
