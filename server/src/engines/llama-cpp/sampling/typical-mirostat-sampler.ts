import type { Sampling } from "../../../engine/sampling.ts";

/** Candidates, best first, their logits beside them. */
interface RankedLogits {
  tokens: Uint32Array;
  logits: Float64Array;
}

/** Whether the sampling needs the samplers of this file. Greedily all of them pick the best token. */
export function needsTypicalMirostatSampler({ temperature = 1, typicalP = 1, mirostat }: Sampling): boolean {
  return temperature > 0 && (typicalP < 1 || mirostat !== undefined);
}

/**
 * Locally typical sampling and Mirostat 2, which the library doesn't have. In llama.cpp's order: top-k, typical, top-p,
 * min-p, temperature, chance; or temperature and Mirostat. Bias and penalties come before.
 */
export class TypicalMirostatSampler {
  readonly #sampling: Sampling;
  readonly #random: () => number;
  /** Mirostat's μ: the most surprise in bits that a token may have. */
  #maxSurprise: number;

  constructor(sampling: Sampling) {
    this.#sampling = sampling;
    this.#random = randomNumbers(sampling.seed ?? 0);
    this.#maxSurprise = 2 * (sampling.mirostat?.target ?? 0);
  }

  /** @param sorted `[token, logit, …]`, best first; −∞ is never picked. */
  sample(sorted: readonly number[]): number {
    const all = unflatten(sorted);
    const { temperature = 1, mirostat } = this.#sampling;
    if (mirostat !== undefined) return this.#mirostat(applyTemperature(all, temperature), mirostat);
    const { topK = 0, typicalP = 1, topP = 1, minP = 0 } = this.#sampling;
    let left = topK > 0 ? first(all, topK) : all;
    if (typicalP < 1) left = typical(left, typicalP);
    if (topP < 1) left = first(left, nucleusSize(softmax(left.logits), topP));
    if (minP > 0)
      left = first(
        left,
        count(left.logits, (l) => l >= left.logits[0]! + Math.log(minP)),
      );
    const { tokens, logits } = applyTemperature(left, temperature);
    return tokens[sampleIndex(softmax(logits), this.#random())]!;
  }

  #mirostat(all: RankedLogits, { target, learningRate }: NonNullable<Sampling["mirostat"]>): number {
    const within = count(softmax(all.logits), (p) => -Math.log2(p) <= this.#maxSurprise);
    const left = first(all, Math.max(1, within));
    const probabilities = softmax(left.logits);
    const picked = sampleIndex(probabilities, this.#random());
    this.#maxSurprise -= learningRate * (-Math.log2(probabilities[picked]!) - target);
    return left.tokens[picked]!;
  }
}

/** The tokens whose surprise is nearest the entropy, until they have the mass together. */
function typical({ tokens, logits }: RankedLogits, mass: number): RankedLogits {
  const probabilities = softmax(logits);
  const surprise = (i: number) => -Math.log(probabilities[i]!);
  let entropy = 0;
  for (const p of probabilities) if (p > 0) entropy -= p * Math.log(p);
  // Best first means least surprising first: the nearest lie side by side, around where the surprise passes the entropy.
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

/** How many of the first together have the mass. */
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

/** How many of the first, as far as they fit. */
function count(values: Float64Array, fits: (value: number) => boolean): number {
  const end = values.findIndex((value) => !fits(value));
  return end < 0 ? values.length : end;
}

function sampleIndex(probabilities: Float64Array, random: number): number {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    sum += probabilities[i]!;
    if (random < sum) return i;
  }
  // Rounding may leave the sum below 1: then it is the last that can come at all.
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

/** Evenly distributed numbers in [0, 1): a Weyl sequence, its steps well mixed. */
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
