/** For tests only: runs a converted file in llama.cpp, with the library that the engine uses, in this process. */
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel } from "node-llama-cpp";

export interface TokenLogprob {
  token: number;
  logprob: number;
}

const TOP_TOKENS = 5;
let llama: Promise<Llama> | undefined;

/** @throws when llama.cpp can't load the file. */
export async function withModel<T>(path: string, use: (model: LlamaModel) => Promise<T>): Promise<T> {
  llama ??= getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    maxThreads: 1,
    logLevel: LlamaLogLevel.disabled,
  });
  const model = await (await llama).loadModel({ modelPath: path });
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/**
 * The most probable next tokens after each token of the prompt.
 * @param prompt up to 256 tokens.
 * @param lora path of a LoRA
 */
export function nextTokens(
  path: string,
  prompt: readonly number[],
  lora?: string,
): Promise<TokenLogprob[][]> {
  return withModel(path, async (model) => {
    const context = await model.createContext({ contextSize: 256, ...(lora === undefined ? {} : { lora }) });
    const input = prompt.map((token) => [token, { generateNext: { probabilities: true } }] as const);
    // The cast is needed because the library's Token is a branded number type.
    const evaluated = await context.getSequence().controlledEvaluate(input as never);
    return evaluated.map((item) =>
      [...(item?.next.probabilities ?? new Map())]
        .slice(0, TOP_TOKENS)
        .map(([token, probability]) => ({ token, logprob: Math.log(probability) })),
    );
  });
}

/**
 * The largest difference over all candidates; infinity when some are missing.
 * @param expected log-probabilities of all tokens, by position
 */
export function largestDifference(
  found: readonly TokenLogprob[][],
  expected: readonly Float64Array[],
): number {
  const differences = found.flatMap((candidates, position) =>
    candidates.map(({ token, logprob }) => Math.abs(logprob - (expected[position]?.[token] ?? Number.NaN))),
  );
  const isComplete = differences.length === TOP_TOKENS * expected.length && !differences.some(Number.isNaN);
  return isComplete ? Math.max(...differences) : Number.POSITIVE_INFINITY;
}
