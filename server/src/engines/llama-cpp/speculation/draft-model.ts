import type { Llama, LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import { NativeApi } from "../native/native-api.ts";
import { TokenSampler } from "../sampling/token-sampler.ts";
import { AcceptanceCounter, type Proposer } from "./proposer.ts";

export interface DraftModelOptions {
  modelPath: string;
  /** Tokens to guess at a time, ≥ 1. */
  tokens: number;
  /** Slots of the target model. */
  slots: number;
  /** Context of one slot of the target model, in tokens. */
  contextLength: number;
  threads: number;
}

/** Most tokens that the draft model reads before a step. Running streams wait meanwhile, so a long prompt takes several. */
const CATCH_UP_TOKENS = 256;

/** A smaller model that guesses the output of the target model. It has one sequence for each slot of the target. */
export class DraftModel {
  readonly #tokens: number;
  readonly #context: LlamaContext;
  readonly #nativeApi: NativeApi;
  readonly #sequences: readonly LlamaContextSequence[];

  private constructor(
    tokens: number,
    context: LlamaContext,
    nativeApi: NativeApi,
    first: LlamaContextSequence,
  ) {
    this.#tokens = tokens;
    this.#context = context;
    this.#nativeApi = nativeApi;
    this.#sequences = [
      first,
      ...Array.from({ length: context.totalSequences - 1 }, () => context.getSequence()),
    ];
  }

  /** @throws EngineError `invalid` when its vocabulary is not that of `target`. */
  static async load(llama: Llama, target: LlamaModel, options: DraftModelOptions): Promise<DraftModel> {
    const model = await llama.loadModel({ modelPath: options.modelPath });
    if (!hasSameVocabulary(model, target)) {
      throw new EngineError("invalid", "The draft model's vocabulary differs from the model's.");
    }
    const context = await model.createContext({
      sequences: options.slots,
      contextSize: Math.min(options.contextLength, model.trainContextSize),
      threads: options.threads,
      failedCreationRemedy: false,
      ignoreMemorySafetyChecks: true,
    });
    const first = context.getSequence();
    const nativeApi = NativeApi.of(model, context, first);
    if (nativeApi === null) throw new EngineError("unsupported", "This engine can't use draft models.");
    return new DraftModel(options.tokens, context, nativeApi, first);
  }

  /** A proposer for one choice in that slot. */
  begin(slot: number, prompt: readonly number[]): DraftModelProposer {
    return new DraftModelProposer({
      nativeApi: this.#nativeApi,
      sequence: this.#sequences[slot]!,
      contextSize: this.#context.contextSize,
      tokens: this.#tokens,
      prompt,
    });
  }
}

function hasSameVocabulary(model: LlamaModel, target: LlamaModel): boolean {
  const vocabularyOf = ({ fileInfo }: LlamaModel): readonly unknown[] =>
    fileInfo.metadata.tokenizer?.ggml?.tokens ?? [];
  const [own, expected] = [vocabularyOf(model), vocabularyOf(target)];
  return own.length > 0 && own.length === expected.length && own.every((text, i) => text === expected[i]);
}

interface DraftModelProposerOptions {
  nativeApi: NativeApi;
  sequence: LlamaContextSequence;
  contextSize: number;
  tokens: number;
  prompt: readonly number[];
}

/** Guesses the tokens that the draft model greedily continues the text with. */
export class DraftModelProposer implements Proposer {
  readonly #options: DraftModelProposerOptions;
  readonly #counter = new AcceptanceCounter();
  readonly #text: number[];
  /** Null until the first guess. */
  #tokenSampler: TokenSampler | null = null;

  constructor(options: DraftModelProposerOptions) {
    this.#options = options;
    this.#text = [...options.prompt];
  }

  get acceptedTokens(): number {
    return this.#counter.acceptedTokens;
  }

  get rejectedTokens(): number {
    return this.#counter.rejectedTokens;
  }

  async propose(most: number): Promise<readonly number[]> {
    const { tokens, contextSize } = this.#options;
    const count = Math.min(most, tokens);
    if (count < 1 || this.#text.length + count >= contextSize) return this.#counter.recordProposal([]);
    return this.#counter.recordProposal(await this.#draft(count));
  }

  onToken(token: number): void {
    this.#counter.onToken(token);
    this.#text.push(token);
  }

  dispose(): void {
    this.#tokenSampler?.dispose();
  }

  async #draft(count: number): Promise<number[]> {
    let unread = await this.#unreadTokens();
    if (unread.length > CATCH_UP_TOKENS) {
      unread = unread.slice(0, CATCH_UP_TOKENS);
      await this.#options.sequence.evaluateWithoutGeneratingNewTokens(unread as Token[]);
      return [];
    }
    const drafted: number[] = [];
    while (drafted.length < count) {
      drafted.push(await this.#nextToken(unread));
      unread = drafted.slice(-1);
    }
    return drafted;
  }

  /**
   * Drops the sequence's tokens that differ from the text, such as rejected guesses, and returns the rest of the text.
   * That is at least the last token, as the next one is sampled after it.
   */
  async #unreadTokens(): Promise<number[]> {
    const { sequence } = this.#options;
    const held = sequence.contextTokens;
    let same = 0;
    while (same < held.length && same < this.#text.length - 1 && held[same] === this.#text[same]) same++;
    if (same < held.length) await sequence.eraseContextTokenRanges([{ start: same, end: held.length }]);
    return this.#text.slice(same);
  }

  async #nextToken(tokens: readonly number[]): Promise<number> {
    const { nativeApi, sequence, contextSize } = this.#options;
    this.#tokenSampler ??= new TokenSampler({
      nativeApi,
      sampling: { temperature: 0 },
      prompt: [],
      contextSize,
      endTokens: [],
    });
    const tokenSampler = this.#tokenSampler;
    let token = -1;
    await nativeApi.evaluate(sequence, tokens, tokens.length - 1, async (logits) => {
      token = await tokenSampler.sample(logits, { output: [], suppressEnd: false, grammar: null });
    });
    // The library ends a batch one turn of the event loop later. A call before that would miss the next shared batch.
    await new Promise((resolve) => setImmediate(resolve));
    return token;
  }
}
