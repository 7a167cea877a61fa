import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from "node-llama-cpp";
import type { Sampling } from "../../engine/port.ts";
import type { Backend, Decoder } from "./backend.ts";
import { evaluateOptions } from "./sampling.ts";

/** The scheduler's view of a node-llama-cpp context: a slot is a context sequence. Only public API is used. */
export class LlamaBackend implements Backend {
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #sequences: LlamaContextSequence[];

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
