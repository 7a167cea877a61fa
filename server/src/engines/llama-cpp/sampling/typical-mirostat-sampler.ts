import type { Sampling } from "../../../engine/sampling.ts";

/** Candidate tokens, best first, and their logits at the same indexes. */
interface RankedLogits {
  tokens: Uint32Array;
  logits: Float64Array;
}

/** Whether `TypicalMirostatSampler` is needed. At temperature 0 it would pick the best token, as llama.cpp's chain does. */
export function needsTypicalMirostatSampler({ temperature = 1, typicalP = 1, mirostat }: Sampling): boolean {
  return temperature > 0 && (typicalP < 1 || mirostat !== undefined);
}

/**
 * Locally typical sampling (Meister et al. 2022) and Mirostat 2 (Basu et al. 2021), which the library lacks. The steps are
 * in llama.cpp's order: top-k, typical, top-p, min-p, temperature and a random draw, or temperature and Mirostat. Biases
 * and penalties must have been applied before.
 */
export class TypicalMirostatSampler {
  readonly #sampling: Sampling;
  readonly #random: () => number;
  /** Mirostat's μ: the highest surprise, in bits, of a candidate. */
  #maxSurprise: number;

  constructor(sampling: Sampling) {
    this.#sampling = sampling;
    this.#random = randomNumbers(sampling.seed ?? 0);
    this.#maxSurprise = 2 * (sampling.mirostat?.target ?? 0);
  }

  /** @param sorted `[token, logit, …]`, best first; tokens with −∞ are never picked. */
  sample(sorted: readonly number[]): number {
    const all = unflatten(sorted);
    const { temperature = 1, mirostat } = this.#sampling;
    if (mirostat !== undefined) return this.#mirostat(applyTemperature(all, temperature), mirostat);
    const { topK = 0, typicalP = 1, topP = 1, minP = 0 } = this.#sampling;
    let candidates = topK > 0 ? first(all, topK) : all;
    if (typicalP < 1) candidates = typical(candidates, typicalP);
    if (topP < 1) candidates = first(candidates, nucleusSize(softmax(candidates.logits), topP));
    if (minP > 0) {
      const floor = candidates.logits[0]! + Math.log(minP);
      candidates = first(
        candidates,
        prefixLength(candidates.logits, (logit) => logit >= floor),
      );
    }
    const { tokens, logits } = applyTemperature(candidates, temperature);
    return tokens[sampleIndex(softmax(logits), this.#random())]!;
  }

  #mirostat(all: RankedLogits, { target, learningRate }: NonNullable<Sampling["mirostat"]>): number {
    const expected = prefixLength(softmax(all.logits), (p) => -Math.log2(p) <= this.#maxSurprise);
    const candidates = first(all, Math.max(1, expected));
    const probabilities = softmax(candidates.logits);
    const picked = sampleIndex(probabilities, this.#random());
    this.#maxSurprise -= learningRate * (-Math.log2(probabilities[picked]!) - target);
    return candidates.tokens[picked]!;
  }
}

/** Keeps the tokens whose surprise is nearest the entropy, until their probabilities add up to `mass`. */
function typical({ tokens, logits }: RankedLogits, mass: number): RankedLogits {
  const probabilities = softmax(logits);
  const surprise = (i: number) => -Math.log(probabilities[i]!);
  let entropy = 0;
  for (const p of probabilities) if (p > 0) entropy -= p * Math.log(p);
  // Tokens are sorted by surprise, so the nearest ones form a range around the place where the surprise passes the entropy.
  let right = probabilities.findIndex((p) => -Math.log(p) >= entropy);
  if (right < 0) right = probabilities.length;
  let left = right;
  let sum = 0;
  while (sum <= mass && (left > 0 || right < probabilities.length)) {
    const leftGap = left > 0 ? entropy - surprise(left - 1) : Number.POSITIVE_INFINITY;
    const rightGap = right < probabilities.length ? surprise(right) - entropy : Number.POSITIVE_INFINITY;
    sum += leftGap <= rightGap ? probabilities[--left]! : probabilities[right++]!;
  }
  return { tokens: tokens.subarray(left, right), logits: logits.subarray(left, right) };
}

/** How many leading tokens it takes until their probabilities add up to `mass`. */
function nucleusSize(probabilities: Float64Array, mass: number): number {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    sum += probabilities[i]!;
    if (sum >= mass) return i + 1;
  }
  return probabilities.length;
}

function softmax(logits: Float64Array): Float64Array {
  const weights = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    weights[i] = Math.exp(logits[i]! - logits[0]!);
    sum += weights[i]!;
  }
  for (let i = 0; i < weights.length; i++) weights[i]! /= sum;
  return weights;
}

/** How many leading values fit. */
function prefixLength(values: Float64Array, fits: (value: number) => boolean): number {
  const end = values.findIndex((value) => !fits(value));
  return end < 0 ? values.length : end;
}

function sampleIndex(probabilities: Float64Array, random: number): number {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    sum += probabilities[i]!;
    if (random < sum) return i;
  }
  // Rounding may leave the sum below `random`: take the last possible token.
  return Math.max(
    0,
    probabilities.findLastIndex((p) => p > 0),
  );
}

function first({ tokens, logits }: RankedLogits, count: number): RankedLogits {
  return { tokens: tokens.subarray(0, count), logits: logits.subarray(0, count) };
}

function applyTemperature({ tokens, logits }: RankedLogits, temperature: number): RankedLogits {
  return { tokens, logits: logits.map((logit) => logit / temperature) };
}

function unflatten(sorted: readonly number[]): RankedLogits {
  const all = { tokens: new Uint32Array(sorted.length / 2), logits: new Float64Array(sorted.length / 2) };
  let count = 0;
  while (2 * count < sorted.length && sorted[2 * count + 1] !== Number.NEGATIVE_INFINITY) {
    all.tokens[count] = sorted[2 * count]!;
    all.logits[count] = sorted[2 * count + 1]!;
    count++;
  }
  return first(all, count);
}

/** Uniform random numbers in [0, 1): a Weyl sequence whose values pass an integer hash. */
function randomNumbers(seed: number): () => number {
  let state = Math.trunc(seed) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
