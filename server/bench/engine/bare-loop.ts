/**
 * The baseline: node-llama-cpp used directly and as fast as possible, without a server. Arguments: the model's file,
 * threads, sequences. Must be started with UV_THREADPOOL_SIZE=1.
 */
import { getLlama, type LlamaContextSequence, LlamaLogLevel, type Token } from "node-llama-cpp";

export type BareOrder =
  /** Asks for a text of about `tokens` tokens that shares no prefix with any other. */
  { kind: "prompt"; tokens: number; seed: number } | { kind: "decode"; prompts: string[]; maxTokens: number };

export interface BareRun {
  /** Milliseconds from the start to each token, per prompt. */
  tokensMs: number[][];
  totalMs: number;
  promptTokens: number;
  completionTokens: number;
}

const [modelPath, threads, sequences] = process.argv.slice(2);
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  maxThreads: Number(threads),
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: modelPath! });
const context = await model.createContext({
  sequences: Number(sequences),
  contextSize: 4096,
  batchSize: 512,
  threads: Number(threads),
  ignoreMemorySafetyChecks: true,
});
const slots = Array.from({ length: Number(sequences) }, () => {
  const sequence = context.getSequence();
  // With the library's default a batch holds one sequence fewer, so two sequences would never share a batch.
  (sequence as unknown as Record<string, unknown>)["_takeIntervalCheckpointIfNeededAfterBatch"] = () =>
    new Promise((resolve) => setImmediate(resolve));
  return sequence;
});

function tokensOf(text: string): Token[] {
  const tokens = model.tokenize(text, true);
  const bos = model.tokens.bos;
  return model.tokens.shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens;
}

const WORDS =
  "river stone window garden letter number morning evening paper bridge winter summer yellow silver market music";

function promptText(tokens: number, seed: number): string {
  const words = WORDS.split(" ");
  let state = seed;
  let text = `Section ${seed}.`;
  while (tokensOf(text).length < tokens) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    text += ` ${words[Math.floor(state / 65_536) % words.length]}`;
  }
  return text;
}

async function decode(
  sequence: LlamaContextSequence,
  tokens: Token[],
  maxTokens: number,
  startMs: number,
): Promise<number[]> {
  await sequence.clearHistory();
  const times: number[] = [];
  for await (const token of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now() - startMs);
    if (times.length >= maxTokens || model.isEogToken(token)) break;
  }
  return times;
}

async function run(prompts: string[], maxTokens: number): Promise<BareRun> {
  const startMs = performance.now();
  const tokens = prompts.map(tokensOf);
  const tokensMs = await Promise.all(tokens.map((list, i) => decode(slots[i]!, list, maxTokens, startMs)));
  return {
    tokensMs,
    totalMs: performance.now() - startMs,
    promptTokens: tokens.reduce((sum, list) => sum + list.length, 0),
    completionTokens: tokensMs.reduce((sum, times) => sum + times.length, 0),
  };
}

process.on("disconnect", () => process.exit(0));
process.on("message", (order: BareOrder) => {
  if (order.kind === "prompt") process.send?.({ text: promptText(order.tokens, order.seed) });
  else void run(order.prompts, order.maxTokens).then((result) => process.send?.(result));
});
process.send?.({ ready: true });
