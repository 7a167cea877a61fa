import type { Llama, LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import { EngineError } from "../../../engine/errors.ts";
import { NativeApi, type Sampler } from "../native/native-api.ts";
import { AcceptanceCounter, type Proposer } from "./proposer.ts";

export interface DraftModelOptions {
  modelPath: string;
  /** Guessed a step. */
  tokens: number;
}

/** Most tokens the draft model reads before a step: it catches up with long prompts over several, as streams wait meanwhile. */
const CATCH_UP_TOKENS = 256;

/** A smaller model that guesses what the large one makes; a sequence of it for every slot. */
export class DraftModel {
  readonly #tokens: number;
  readonly #context: LlamaContext;
  readonly #nativeApi: NativeApi;
  readonly #sequences: LlamaContextSequence[];

  private constructor(
    tokens: number,
    context: LlamaContext,
    direct: NativeApi,
    sequences: LlamaContextSequence[],
  ) {
    this.#tokens = tokens;
    this.#context = context;
    this.#nativeApi = direct;
    this.#sequences = sequences;
  }

  /** @throws EngineError `invalid` when its tokens are not those of `target`. */
  static async load(
    llama: Llama,
    target: LlamaModel,
    options: DraftModelOptions,
    like: { slots: number; contextLength: number; threads: number },
  ): Promise<DraftModel> {
    const model = await llama.loadModel({ modelPath: options.modelPath });
    if (!hasSameTokens(model, target)) {
      throw new EngineError("invalid", "The draft model has other tokens than the model it is to draft for.");
    }
    const context = await model.createContext({
      sequences: like.slots,
      contextSize: Math.min(like.contextLength, model.trainContextSize),
      threads: like.threads,
      failedCreationRemedy: false,
      ignoreMemorySafetyChecks: true,
    });
    const sequences = Array.from({ length: like.slots }, () => context.getSequence());
    const direct = NativeApi.of(model, context, sequences[0]!);
    if (direct === null) throw new EngineError("unsupported", "This engine can't use draft models.");
    return new DraftModel(options.tokens, context, direct, sequences);
  }

  /** For one choice in that slot. */
  begin(slot: number, prompt: readonly number[]): DraftModelProposer {
    return new DraftModelProposer(
      this.#nativeApi,
      this.#sequences[slot]!,
      this.#context.contextSize,
      this.#tokens,
      prompt,
    );
  }
}

function hasSameTokens(one: LlamaModel, other: LlamaModel): boolean {
  const tokensOf = ({ fileInfo }: LlamaModel): readonly unknown[] =>
    fileInfo.metadata.tokenizer?.ggml?.tokens ?? [];
  const [mine, others] = [tokensOf(one), tokensOf(other)];
  return mine.length > 0 && mine.length === others.length && mine.every((text, i) => text === others[i]);
}

/** What the draft model makes, greedily, of the text so far. */
export class DraftModelProposer implements Proposer {
  readonly #nativeApi: NativeApi;
  readonly #sequence: LlamaContextSequence;
  readonly #contextSize: number;
  readonly #tokens: number;
  readonly #counter = new AcceptanceCounter();
  readonly #text: number[];
  #sampler: Sampler | null = null;

  constructor(
    direct: NativeApi,
    sequence: LlamaContextSequence,
    contextSize: number,
    tokens: number,
    prompt: readonly number[],
  ) {
    this.#nativeApi = direct;
    this.#sequence = sequence;
    this.#contextSize = contextSize;
    this.#tokens = tokens;
    this.#text = [...prompt];
  }

  get acceptedTokens(): number {
    return this.#counter.acceptedTokens;
  }

  get rejectedTokens(): number {
    return this.#counter.rejectedTokens;
  }

  async propose(most: number): Promise<readonly number[]> {
    const count = Math.min(most, this.#tokens);
    if (count < 1 || this.#text.length + count >= this.#contextSize) return this.#counter.recordProposal([]);
    return this.#counter.recordProposal(await this.#draft(count));
  }

  onToken(token: number): void {
    this.#counter.onToken(token);
    this.#text.push(token);
  }

  dispose(): void {
    this.#sampler?.dispose();
  }

  async #draft(count: number): Promise<number[]> {
    let unread = await this.#unread();
    if (unread.length > CATCH_UP_TOKENS) {
      unread = unread.slice(0, CATCH_UP_TOKENS);
      await this.#sequence.evaluateWithoutGeneratingNewTokens(unread as Token[]);
      return [];
    }
    const drafted: number[] = [];
    while (drafted.length < count) {
      drafted.push(await this.#follow(unread));
      unread = drafted.slice(-1);
    }
    return drafted;
  }

  /** The end of the text that the sequence has not read; what it has read besides is dropped. The last token always counts as unread. */
  async #unread(): Promise<number[]> {
    const held = this.#sequence.contextTokens;
    let same = 0;
    while (same < held.length && same < this.#text.length - 1 && held[same] === this.#text[same]) same++;
    if (same < held.length) await this.#sequence.eraseContextTokenRanges([{ start: same, end: held.length }]);
    return this.#text.slice(same);
  }

  async #follow(tokens: readonly number[]): Promise<number> {
    this.#sampler ??= this.#nativeApi.createSampler();
    const sampler = this.#sampler;
    let token = -1;
    await this.#nativeApi.evaluate(this.#sequence, tokens, tokens.length - 1, async (logits) => {
      token = await sampler.sample(logits, { temperature: 0 }, null);
    });
    // The batch is wholly over a turn later: who asked earlier would not share the next one with the others.
    await new Promise((resolve) => setImmediate(resolve));
    return token;
  }
}
