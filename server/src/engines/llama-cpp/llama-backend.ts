import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import type { Sampling } from "../../engine/port.ts";
import type { Backend, Decoder } from "./backend.ts";
import { evaluateOptions } from "./sampling.ts";

/** Not in the library's public interface: used only where it exists and passes a test at the start. */
interface CopyingSequence {
  _copyStateFromOtherSequence?(other: LlamaContextSequence, upToTokenIndex: number): Promise<boolean>;
}

/** The scheduler's view of a node-llama-cpp context: a slot is a context sequence. */
export class LlamaBackend implements Backend {
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #sequences: LlamaContextSequence[];
  #canCopy = false;

  constructor(model: LlamaModel, context: LlamaContext) {
    this.#model = model;
    this.#context = context;
    this.#sequences = Array.from({ length: context.totalSequences }, () => context.getSequence());
  }

  get slots(): number {
    return this.#sequences.length;
  }

  held(slot: number): readonly number[] {
    return this.#sequences[slot]!.contextTokens;
  }

  async keep(slot: number, count: number): Promise<number> {
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
    return this.keep(to, 0);
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
    const [original, copy] = [await this.#greedily(0, last), copied > 0 ? await this.#greedily(1, last) : []];
    await this.keep(0, 0);
    await this.keep(1, 0);
    this.#canCopy = copied === kept.length && original.join() === copy.join();
  }

  async #greedily(slot: number, tokens: readonly number[]): Promise<number[]> {
    const decoder = this.decode(slot, tokens, { temperature: 0 }, tokens);
    const made = [await decoder.next(), await decoder.next()];
    decoder.end();
    return made;
  }

  async prefill(slot: number, tokens: readonly number[]): Promise<void> {
    await this.#sequences[slot]!.evaluateWithoutGeneratingNewTokens([...tokens] as Token[]);
  }

  decode(slot: number, tokens: readonly number[], sampling: Sampling, prompt: readonly number[]): Decoder {
    const output: Token[] = [];
    const history = { prompt: prompt as readonly Token[], output };
    const options = evaluateOptions(sampling, history, this.#model, this.#context.contextSize);
    const tokensMade = this.#sequences[slot]!.evaluateWithMetadata([...tokens] as Token[], {}, options);
    return {
      async next() {
        const { value, done } = await tokensMade.next();
        if (done || value === undefined) throw new Error("the model stopped without an end token");
        output.push(value.token);
        return value.token;
      },
      end() {
        tokensMade.return().catch(() => {});
      },
    };
  }

  isEnd(token: number): boolean {
    return this.#model.isEogToken(token as Token);
  }

  detokenize(tokens: readonly number[], before: readonly number[]): string {
    return this.#model.detokenize(tokens as readonly Token[], false, before as readonly Token[]);
  }
}
