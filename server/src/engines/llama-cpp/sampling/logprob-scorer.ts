import type { TokenInfo } from "../../../engine/generation.ts";
import type { LogitsHandle, NativeApi, Sampler } from "../native/native-api.ts";

/**
 * What the model itself thinks of tokens, before any sampling change. Looks twice at the logits: sorting all of them
 * for the best few in the same go would cost ten times as much.
 */
export class LogprobScorer {
  readonly #plain: Sampler;
  readonly #best: Sampler;
  readonly #bytes: (token: number) => Uint8Array;

  constructor(direct: NativeApi, bytes: (token: number) => Uint8Array) {
    this.#plain = direct.createSampler();
    this.#best = direct.createSampler();
    this.#bytes = bytes;
  }

  /** @param top alternatives to give, ≥ 0. */
  async score(logits: LogitsHandle, token: number, top: number): Promise<TokenInfo> {
    const own = await this.#plain.selectedLogits(logits, { temperature: 0 }, { tokens: [token], top: 0 });
    const values = pairs(own.logits);
    const best = Math.max(...values.map(([, logit]) => logit));
    const logprob = (logit: number) => logit - best - Math.log(own.weight);
    const logit = values.find(([id]) => id === token)![1];
    const ranked = top === 0 ? [] : await this.#top(logits, top);
    return {
      id: token,
      bytes: this.#bytes(token),
      logprob: logprob(logit),
      top: ranked.map(([id, value]) => ({ id, bytes: this.#bytes(id), logprob: logprob(value) })),
    };
  }

  dispose(): void {
    this.#plain.dispose();
    this.#best.dispose();
  }

  async #top(logits: LogitsHandle, count: number): Promise<[number, number][]> {
    // Not greedy, as greedily nothing would be cut off first; what is picked doesn't matter.
    const config = { temperature: 1, topK: count, seed: 0 };
    return pairs((await this.#best.selectedLogits(logits, config, { tokens: [], top: count })).logits);
  }
}

function pairs(flat: readonly number[]): [number, number][] {
  const result: [number, number][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([flat[i]!, flat[i + 1]!]);
  return result;
}
