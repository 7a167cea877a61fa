/** Absent fields mean the engine's neutral setting (no effect), never a hidden default. */
export interface Sampling {
  /** 0 is greedy; 0–2. Absent: 1. */
  temperature?: number;
  /** Nucleus mass, 0–1. */
  topP?: number;
  /** Number of most probable tokens that stay candidates; 0 is off. */
  topK?: number;
  /** Probability floor relative to the best token, 0–1. */
  minP?: number;
  /** Same seed, same request, same model: same output. Choice i of n samples with seed + i. */
  seed?: number;
  /** −2–2. logit[j] −= count[j]·frequencyPenalty + (count[j] > 0)·presencePenalty over the output so far. */
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** > 0; divides positive and multiplies negative logits of tokens seen in prompt or output. */
  repetitionPenalty?: number;
  /** Locally typical sampling mass, 0–1 (Meister et al. 2022): keeps the tokens whose surprise is nearest the entropy. */
  typicalP?: number;
  /** Mirostat 2 (Basu et al. 2021) instead of top-k/top-p: target surprise τ in bits and learning rate η, both > 0. */
  mirostat?: { target: number; learningRate: number };
  /** Added to the logits of these tokens before everything else, −200–200; the end token is one like any other. */
  logitBias?: readonly (readonly [token: number, bias: number])[];
}

export type SamplingField = keyof Sampling;

interface SamplingRule<Value> {
  /** The value that has no effect; null when only an absent field has none. */
  neutral: Value | null;
  isValid(value: Value): boolean;
}

/** Every sampling field. Exhaustive by type: a new field of `Sampling` does not compile without its rule. */
export const SAMPLING_RULES = {
  temperature: { neutral: 1, isValid: within(0, 2) },
  topP: { neutral: 1, isValid: within(0, 1) },
  topK: { neutral: 0, isValid: (k) => Number.isInteger(k) && k >= 0 },
  minP: { neutral: 0, isValid: within(0, 1) },
  seed: { neutral: null, isValid: Number.isInteger },
  frequencyPenalty: { neutral: 0, isValid: within(-2, 2) },
  presencePenalty: { neutral: 0, isValid: within(-2, 2) },
  repetitionPenalty: { neutral: 1, isValid: isPositive },
  typicalP: { neutral: 1, isValid: within(0, 1) },
  mirostat: {
    neutral: null,
    isValid: ({ target, learningRate }) => isPositive(target) && isPositive(learningRate),
  },
  logitBias: {
    neutral: [],
    isValid: (biases) => biases.every(([token, bias]) => Number.isInteger(token) && within(-200, 200)(bias)),
  },
} satisfies { readonly [Field in SamplingField]: SamplingRule<Required<Sampling>[Field]> };

/** @param honoured whether the engine honours each field; exhaustive, so that an adapter can't forget a new one. */
export function supportedSampling(honoured: Readonly<Record<SamplingField, boolean>>): SamplingField[] {
  return (Object.keys(SAMPLING_RULES) as SamplingField[]).filter((field) => honoured[field]);
}

/** The first field whose value is outside its range; null when all are valid. */
export function findInvalidSampling(sampling: Sampling): SamplingField | null {
  for (const field of Object.keys(sampling) as SamplingField[]) {
    const rule = SAMPLING_RULES[field] as SamplingRule<unknown> | undefined;
    const value = sampling[field];
    if (value !== undefined && rule?.isValid(value) !== true) return field;
  }
  return null;
}

function within(least: number, most: number): (value: number) => boolean {
  return (value) => value >= least && value <= most;
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}
