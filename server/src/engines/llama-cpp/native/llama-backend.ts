import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import type { EngineCapabilities, TokenInfo } from "../../../engine/generation.ts";
import { capabilitiesOf } from "../capabilities.ts";
import { GrammarBudget } from "../sampling/grammar-budget.ts";
import { LogprobScorer } from "../sampling/logprob-scorer.ts";
import { TokenGrammar } from "../sampling/token-grammar.ts";
import type { Backend, Decoder, DecodeSpec, ScoreJob } from "../scheduling/backend.ts";
import { BLOCK_TOKENS } from "../scheduling/prefill-blocks.ts";
import { BatchCosts } from "../speculation/batch-costs.ts";
import type { DraftModel } from "../speculation/draft-model.ts";
import { type NgramOptions, NgramProposer } from "../speculation/ngram.ts";
import { PredictedOutputProposer } from "../speculation/predicted-output.ts";
import type { Proposer } from "../speculation/proposer.ts";
import { textEncoderOf } from "../tokenizer/text-encoder.ts";
import { TokenBytes } from "../tokenizer/token-bytes.ts";
import { createVocabulary, type Vocabulary } from "../tokenizer/vocabulary.ts";
import { GrammarCache } from "./grammar-cache.ts";
import { passesLoraSelfTest } from "./lora-self-test.ts";
import { NativeApi } from "./native-api.ts";
import { passesNativeApiSelfTest } from "./native-api-self-test.ts";
import { type DecoderContext, NativeDecoder } from "./native-decoder.ts";
import { NativeLoras } from "./native-loras.ts";
import { PublicApiDecoder } from "./public-api-decoder.ts";

/** Not in the library's public interface: used only where it exists and passes a self-test at the start. */
interface CopyingSequence {
  _copyStateFromOtherSequence?(other: LlamaContextSequence, upToTokenIndex: number): Promise<boolean>;
}

/** One less than a block: the kernel for whole blocks reads all of the slot's memory, NaN included. */
const TOKENS_PER_WIPE = BLOCK_TOKENS - 1;
/**
 * Batch sizes to measure, rising. A single token is measured several times: a reading that is too slow would make
 * guesses look cheap. Running streams wait meanwhile, once.
 */
const MEASURED_BATCHES = [
  { tokens: 1, rounds: 3 },
  { tokens: 8, rounds: 1 },
  { tokens: 24, rounds: 1 },
];
/** A second token costs as much as the first, so that no proposer guesses. */
const NO_SPECULATION = new BatchCosts([
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
  #cachedVocabulary: Vocabulary | null = null;
  readonly #specialTexts: ReadonlyMap<number, string>;
  /** Null where LoRAs can't be used. */
  loras: NativeLoras | null = null;
  /** How the next tokens are guessed; null: no speculation but for predicted outputs. */
  speculation: { draft: DraftModel } | { ngram: NgramOptions } | null = null;
  #canCopy = false;
  #nativeApi: NativeApi | null = null;
  /** Null until a proposer first needs it. */
  #batchCosts: BatchCosts | null = null;

  /** @param cpuMs CPU time used so far: unlike wall-clock time, it leaves out the machine's other work. */
  constructor(model: LlamaModel, context: LlamaContext, cpuMs = cpuMsOfProcess) {
    this.#model = model;
    this.#context = context;
    this.#cpuMs = cpuMs;
    this.#grammars = new GrammarCache();
    this.#tokenBytes = new TokenBytes(model);
    this.#endTokens = [...textEncoderOf(model).endTokens];
    this.#specialTexts = specialTextsOf(model);
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
   * @param tokens at least two.
   */
  async testCopying(tokens: readonly number[]): Promise<void> {
    const sequence: LlamaContextSequence & CopyingSequence = this.#sequences[0]!;
    if (this.slots < 2 || sequence.needsCheckpoints) return;
    if (typeof sequence._copyStateFromOtherSequence !== "function") return;
    const prefix = tokens.slice(0, -1);
    const last = tokens.slice(-1);
    await this.prefill(0, prefix);
    const copied = await this.copy(0, 1, prefix.length);
    const original = await this.#decodeGreedily(0, last);
    const copy = copied > 0 ? await this.#decodeGreedily(1, last) : [];
    await this.truncate(0, 0);
    await this.truncate(1, 0);
    this.#canCopy = copied === prefix.length && original.join() === copy.join();
  }

  /** Two tokens by the library's public functions, the reference for its inner ones. */
  async #decodeGreedily(slot: number, tokens: readonly number[]): Promise<number[]> {
    const decoder = this.#publicApiDecoder(slot, tokens, { sampling: { temperature: 0 }, prompt: tokens });
    const generated = [...(await decoder.next()), ...(await decoder.next())];
    decoder.end();
    return generated.map(({ token }) => token);
  }

  useLora(lora: number | null): boolean {
    return this.loras?.use(lora) ?? false;
  }

  async wipe(slot: number, from: number | null): Promise<void> {
    const sequence = this.#sequences[slot]!;
    // Rejected guesses may lie behind the tokens that the slot still holds.
    let tokensLeft = Math.min(this.#context.contextSize, sequence.nextTokenIndex + BLOCK_TOKENS);
    const overwritten =
      from !== null && this.#canCopy && (await this.copy(from, slot, this.cachedTokens(from).length)) > 0;
    if (!overwritten) {
      await this.truncate(slot, 0);
      this.useLora(null);
      const filler = this.#model.tokens.bos ?? 0;
      for (; tokensLeft > 0; tokensLeft -= TOKENS_PER_WIPE) {
        await this.prefill(slot, new Array<number>(Math.min(tokensLeft, TOKENS_PER_WIPE)).fill(filler));
      }
    }
    await this.truncate(slot, 0);
  }

  async prefill(slot: number, tokens: readonly number[]): Promise<void> {
    await this.#sequences[slot]!.evaluateWithoutGeneratingNewTokens([...tokens] as Token[]);
  }

  async decode(slot: number, tokens: readonly number[], spec: DecodeSpec): Promise<Decoder> {
    if (this.#nativeApi === null) return this.#publicApiDecoder(slot, tokens, spec);
    const { grammar } = spec;
    return new NativeDecoder(this.#decoderContext(this.#nativeApi, slot), {
      tokens,
      spec,
      proposer: await this.#proposerFor(slot, spec),
      ...(grammar === undefined
        ? {}
        : { grammar: this.#beginGrammar(grammar), grammarBudget: this.#grammarBudget(grammar) }),
    });
  }

  /** A predicted output goes before the engine's own speculation: the client knows its output best. */
  async #proposerFor(
    slot: number,
    { prediction, prompt, speculate }: DecodeSpec,
  ): Promise<Proposer | undefined> {
    if (prediction !== undefined) {
      return new PredictedOutputProposer(prediction, await this.#batchCostsIn(slot));
    }
    if (this.speculation === null || speculate === false) return undefined;
    return "draft" in this.speculation
      ? this.speculation.draft.begin(slot, prompt)
      : new NgramProposer(prompt, this.speculation.ngram, await this.#batchCostsIn(slot));
  }

  /** The grammar in its start state. @throws EngineError `invalid`. */
  #beginGrammar(text: string): TokenGrammar {
    return new TokenGrammar(this.#grammars.parse(text), this.#vocabulary);
  }

  /** Made for the first grammar, as it takes some microseconds a token and most replicas may never see a grammar. */
  get #vocabulary(): Vocabulary {
    this.#cachedVocabulary ??= createVocabulary([...this.#model.iterateAllTokens()].length, {
      bytes: (token) => this.#tokenBytes.of(token),
      isEnd: (token) => this.#model.isEogToken(token as Token),
    });
    return this.#cachedVocabulary;
  }

  /** Undefined where the model has no end token. */
  #grammarBudget(text: string): GrammarBudget | undefined {
    const endToken = this.#model.tokens.eos ?? this.#endTokens[0];
    if (endToken === undefined) return undefined;
    return new GrammarBudget({
      grammar: this.#grammars.parse(text),
      bytes: (token) => this.#tokenBytes.of(token),
      spell: (bytes) => this.#tokenBytes.spell(bytes),
      endToken,
    });
  }

  /** @throws EngineError `invalid`. */
  checkGrammar(text: string): void {
    this.#grammars.parse(text);
  }

  async score(slot: number, { tokens, next, top }: ScoreJob): Promise<readonly TokenInfo[]> {
    const nativeApi = this.#nativeApi!;
    const scorer = new LogprobScorer(nativeApi, (token) => this.#tokenBytes.of(token));
    const infos: TokenInfo[] = [];
    try {
      await nativeApi.evaluate(this.#sequences[slot]!, tokens, 0, async (logits, index) => {
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
   * Finds out whether the library's inner functions behave as expected. Leaves slot 0 empty.
   * @param tokens at least two.
   */
  async testNativeApi(tokens: readonly number[]): Promise<void> {
    const nativeApi = NativeApi.of(this.#model, this.#context, this.#sequences[0]!);
    if (nativeApi === null) return;
    const passed = await passesNativeApiSelfTest({
      context: this.#decoderContext(nativeApi, 0),
      tokens,
      expected: await this.#decodeGreedily(0, tokens),
      beginGrammar: (text) => this.#beginGrammar(text),
      truncate: (count) => this.truncate(0, count),
    });
    await this.truncate(0, 0);
    if (passed) this.#nativeApi = nativeApi;
  }

  /** Measured when a proposer first needs it, as most replicas never speculate. Leaves the slot as it was. */
  async #batchCostsIn(slot: number): Promise<BatchCosts> {
    if (this.#batchCosts !== null) return this.#batchCosts;
    const sequence = this.#sequences[slot]!;
    const end = sequence.nextTokenIndex + MEASURED_BATCHES.at(-1)!.tokens;
    // Too near to the end of the context to measure, or to gain much by speculation.
    if (this.#nativeApi === null || end >= this.#context.contextSize) return NO_SPECULATION;
    const nativeApi = this.#nativeApi;
    const sampler = nativeApi.createSampler();
    const start = sequence.nextTokenIndex;
    const measured: { tokens: number; ms: number }[] = [];
    try {
      for (const { tokens: count, rounds } of MEASURED_BATCHES) {
        const tokens = new Array<number>(count).fill(this.#model.tokens.bos ?? 0);
        let ms = Number.POSITIVE_INFINITY;
        for (let round = 0; round < rounds; round++) {
          const startMs = this.#cpuMs();
          // Checked, because NaN from a LoRA would spread to the streams in the same batch.
          await nativeApi.evaluate(sequence, tokens, 0, (logits) => sampler.assertFiniteLogits(logits));
          ms = Math.min(ms, this.#cpuMs() - startMs);
          await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
        }
        measured.push({ tokens: count, ms });
      }
    } finally {
      sampler.dispose();
    }
    this.#batchCosts = new BatchCosts(measured);
    return this.#batchCosts;
  }

  /**
   * Finds out whether LoRAs can be used. Leaves slot 0 empty.
   * @param tokens at least one.
   */
  async testLoras(tokens: readonly number[]): Promise<void> {
    const loras = NativeLoras.of(this.#model, this.#context);
    if (loras === null || this.#nativeApi === null) return;
    const passed = await passesLoraSelfTest(loras, async () => {
      await this.truncate(0, 0);
      const infos = await this.score(0, { tokens, next: tokens, top: 0 });
      return infos.at(-1)!.logprob!;
    });
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

  specialText(token: number): string | null {
    return this.#specialTexts.get(token) ?? null;
  }

  detokenize(tokens: readonly number[], before: readonly number[]): string {
    return this.#model.detokenize(tokens as readonly Token[], false, before as readonly Token[]);
  }

  #decoderContext(nativeApi: NativeApi, slot: number): DecoderContext {
    const encoder = textEncoderOf(this.#model);
    return {
      nativeApi,
      sequence: this.#sequences[slot]!,
      contextSize: this.#context.contextSize,
      endTokens: this.#endTokens,
      isEnd: (token) => encoder.endTokens.has(token),
      bytes: (token) => this.#tokenBytes.of(token),
      encode: (text) => encoder.encode(text),
    };
  }

  #publicApiDecoder(
    slot: number,
    tokens: readonly number[],
    spec: Pick<DecodeSpec, "sampling" | "prompt">,
  ): PublicApiDecoder {
    return new PublicApiDecoder({
      model: this.#model,
      sequence: this.#sequences[slot]!,
      contextSize: this.#context.contextSize,
      tokens,
      spec,
    });
  }
}

/** The texts of the tokens that llama.cpp leaves out of texts: control tokens and the token for unknown words. */
function specialTextsOf(model: LlamaModel): Map<number, string> {
  const texts = new Map<number, string>();
  for (const token of model.iterateAllTokens()) {
    const { control, unknown } = model.getTokenAttributes(token);
    if (control || unknown) texts.set(token, model.detokenize([token], true));
  }
  return texts;
}

function cpuMsOfProcess(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
