import type { TokenInfo } from "../../../engine/generation.ts";
import type { LogitsHandle, NativeApi, Sampler } from "../native/native-api.ts";

/**
 * Log probabilities of tokens under the model itself, before any sampling parameter. Reads the logits twice, once for the
 * token and once for the best alternatives: one reading would have to sort all logits, at ten times the cost.
 */
export class LogprobScorer {
  readonly #tokenSampler: Sampler;
  readonly #topSampler: Sampler;
  readonly #bytes: (token: number) => Uint8Array;

  constructor(nativeApi: NativeApi, bytes: (token: number) => Uint8Array) {
    this.#tokenSampler = nativeApi.createSampler();
    this.#topSampler = nativeApi.createSampler();
    this.#bytes = bytes;
  }

  /** @param top most probable alternatives to report, ≥ 0. */
  async score(logits: LogitsHandle, token: number, top: number): Promise<TokenInfo> {
    const selected = await this.#tokenSampler.selectedLogits(
      logits,
      { temperature: 0 },
      { tokens: [token], top: 0 },
    );
    const values = pairs(selected.logits);
    const best = Math.max(...values.map(([, logit]) => logit));
    const logprob = (logit: number) => logit - best - Math.log(selected.weight);
    const logit = values.find(([id]) => id === token)![1];
    const alternatives = top === 0 ? [] : await this.#topLogits(logits, top);
    return {
      id: token,
      bytes: this.#bytes(token),
      logprob: logprob(logit),
      top: alternatives.map(([id, value]) => ({ id, bytes: this.#bytes(id), logprob: logprob(value) })),
    };
  }

  dispose(): void {
    this.#tokenSampler.dispose();
    this.#topSampler.dispose();
  }

  async #topLogits(logits: LogitsHandle, count: number): Promise<[number, number][]> {
    // Not temperature 0, which would leave out top-k. The picked token is ignored.
    const config = { temperature: 1, topK: count, seed: 0 };
    const selected = await this.#topSampler.selectedLogits(logits, config, { tokens: [], top: count });
    return pairs(selected.logits);
  }
}

/** `[token, logit, …]` as `[token, logit]` pairs. */
function pairs(flat: readonly number[]): [number, number][] {
  const result: [number, number][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([flat[i]!, flat[i + 1]!]);
  return result;
}
