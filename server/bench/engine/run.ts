/** The engine benchmark: the embedded engine through the platform's API, compared with node-llama-cpp used directly. */
import type { ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { join } from "node:path";
import { type Hearth, startHearth } from "../hearth.ts";
import { end, nextMessage, request, startNode } from "../processes.ts";
import { type Goal, number, printTable } from "../report.ts";
import { median, type Summary, shuffled, spreadPercent, summarize } from "../stats.ts";
import type { BareOrder, BareRun } from "./bare-loop.ts";
import { runBurst } from "./burst.ts";
import { mustComplete } from "./client.ts";
import { measurePrefill, measurePrefix } from "./latency.ts";

const SLOTS = 8;

export interface EngineOptions {
  rounds: number;
  decodeTokens: number;
  concurrentTokens: number;
  /** Length of the prompt that is prefilled while a stream runs. */
  longPromptTokens: number;
  /** Length of the prompt whose prefill is timed, and of the prefix that requests share. */
  prefillTokens: number;
  /** Requests of the burst, sent at once. */
  burstRequests: number;
  /** The token rates start no new round after this time. */
  budgetMs: number;
}

export interface EngineBench {
  options: EngineOptions;
  hearth: Hearth;
  bare: ChildProcess;
  /** A text of about `tokens` tokens that shares no prefix with any other. */
  prompt(tokens: number): Promise<string>;
}

type Measure = "decode, 1 stream" | "prefill" | "8 concurrent";
type Rates = Record<Measure, { bare: number[]; hearth: number[] }>;

export async function runEngine(options: EngineOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const threads = Math.min(8, Math.max(1, Math.floor(availableParallelism() / 2)));
  const modelPath = findModel();
  const bare = startNode(
    new URL("./bare-loop.ts", import.meta.url),
    [modelPath, String(threads), String(SLOTS)],
    {
      core: null,
      env: { UV_THREADPOOL_SIZE: "1" },
    },
  );
  let hearth: Hearth | null = null;
  try {
    await nextMessage(bare, 240_000);
    hearth = await startHearth({ core: null, env: { HEARTH_ENGINE_THREADS: String(threads) } });
    let seed = Math.floor(Math.random() * 1e6);
    const bench: EngineBench = {
      options,
      hearth,
      bare,
      prompt: async (tokens) => {
        seed += 1;
        const order: BareOrder = { kind: "prompt", tokens, seed };
        return (await request<{ text: string }>(bare, order, 240_000)).text;
      },
    };
    const rates = await measureRates(bench);
    const rateGoals = reportRates(rates, threads);
    const prefix = await measurePrefix(bench, options.rounds);
    const gap = await measurePrefill(bench, Math.min(3, options.rounds));
    const burst = await runBurst(hearth, options.burstRequests);
    return {
      results: {
        threads,
        rates: summarized(rates),
        prefix: prefix.results,
        gap: gap.results,
        burst: burst.results,
      },
      goals: [...rateGoals, ...prefix.goals, ...gap.goals, ...burst.goals],
    };
  } finally {
    await end(bare, 2_000);
    await hearth?.dispose();
  }
}

/** The default model's weights in the platform's cache. */
export function findModel(): string {
  const folder = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "hearth", "weights");
  for (const digest of readdirSync(folder)) {
    const file = readdirSync(join(folder, digest)).find((name) => name.endsWith(".gguf"));
    if (file !== undefined) return join(folder, digest, file);
  }
  throw new Error("the default model's weights are not there yet: start the platform once");
}

/** Numbers in order, which the model continues for long. */
function countingPrompt(start: number): string {
  return Array.from({ length: 12 }, (_, i) => `${start + i}`).join(", ");
}

async function measureRates(bench: EngineBench): Promise<Rates> {
  const rates: Rates = {
    "decode, 1 stream": { bare: [], hearth: [] },
    prefill: { bare: [], hearth: [] },
    "8 concurrent": { bare: [], hearth: [] },
  };
  const { rounds, budgetMs } = bench.options;
  const untilMs = performance.now() + budgetMs;
  // The first round warms up and isn't counted.
  for (let round = -1; round < rounds; round += 1) {
    if (round > 0 && performance.now() > untilMs) break;
    for (const measure of shuffled(Object.keys(rates) as Measure[])) {
      const prompts = await promptsFor(bench, measure, round);
      for (const side of shuffled(["bare", "hearth"] as const)) {
        const rate = await rateOf(bench, side, measure, prompts);
        if (round >= 0) rates[measure][side].push(rate);
      }
    }
  }
  return rates;
}

async function promptsFor(bench: EngineBench, measure: Measure, round: number): Promise<string[]> {
  if (measure === "prefill") return [await bench.prompt(bench.options.prefillTokens)];
  const count = measure === "decode, 1 stream" ? 1 : SLOTS;
  return Array.from({ length: count }, (_, i) => countingPrompt(100 + 40 * (round + 1) + 400 * i));
}

function maxTokensOf({ options }: EngineBench, measure: Measure): number {
  if (measure === "prefill") return 1;
  return measure === "decode, 1 stream" ? options.decodeTokens : options.concurrentTokens;
}

interface Run {
  firstMs: number;
  lastMs: number;
  totalMs: number;
  promptTokens: number;
  completionTokens: number;
}

/** Tokens per second. */
async function rateOf(
  bench: EngineBench,
  side: "bare" | "hearth",
  measure: Measure,
  prompts: string[],
): Promise<number> {
  const maxTokens = maxTokensOf(bench, measure);
  const run =
    side === "bare"
      ? await runBare(bench.bare, prompts, maxTokens)
      : await runHearth(bench.hearth, prompts, maxTokens);
  const expected = maxTokens * prompts.length;
  if (run.completionTokens < expected) {
    throw new Error(`${side}, ${measure}: ${run.completionTokens} tokens came, ${expected} were expected`);
  }
  if (measure === "prefill") return run.promptTokens / (run.firstMs / 1000);
  if (measure === "8 concurrent") return run.completionTokens / (run.totalMs / 1000);
  return (run.completionTokens - 1) / ((run.lastMs - run.firstMs) / 1000);
}

async function runBare(bare: ChildProcess, prompts: string[], maxTokens: number): Promise<Run> {
  const order: BareOrder = { kind: "decode", prompts, maxTokens };
  const { tokensMs, totalMs, promptTokens, completionTokens } = await request<BareRun>(bare, order, 240_000);
  return { firstMs: tokensMs[0]![0]!, lastMs: tokensMs[0]!.at(-1)!, totalMs, promptTokens, completionTokens };
}

async function runHearth(hearth: Hearth, prompts: string[], maxTokens: number): Promise<Run> {
  const startMs = performance.now();
  const responses = await Promise.all(
    prompts.map((prompt) => mustComplete(hearth, { prompt, maxTokens, stream: true })),
  );
  const totalMs = performance.now() - startMs;
  const sum = (field: "promptTokens" | "completionTokens") =>
    responses.reduce((all, response) => all + response[field], 0);
  const { deltasMs } = responses[0]!;
  return {
    firstMs: deltasMs[0]!,
    lastMs: deltasMs.at(-1)!,
    totalMs,
    promptTokens: sum("promptTokens"),
    completionTokens: sum("completionTokens"),
  };
}

function reportRates(rates: Rates, threads: number): Goal[] {
  const row = (measure: Measure) => {
    const bare = summarize(rates[measure].bare);
    const hearth = summarize(rates[measure].hearth);
    return [
      measure,
      number(bare.median),
      number(spreadPercent(bare)),
      number(hearth.median),
      number(spreadPercent(hearth)),
      number(hearth.median / bare.median),
    ];
  };
  const measures = Object.keys(rates) as Measure[];
  printTable(
    `Engine, tokens/s, ${threads} thread${threads === 1 ? "" : "s"}`,
    ["", "bare loop", "±%", "hearth", "±%", "× bare"],
    measures.map(row),
  );
  const ratio = (measure: Measure) => median(rates[measure].hearth) / median(rates[measure].bare);
  return [
    {
      name: "engine: decode beside the bare loop",
      value: ratio("decode, 1 stream"),
      limit: 0.95,
      kind: "min",
      unit: "×",
    },
    {
      name: "engine: 8 concurrent beside the bare loop",
      value: ratio("8 concurrent"),
      limit: 0.95,
      kind: "min",
      unit: "×",
    },
  ];
}

function summarized(rates: Rates): Record<string, { bare: Summary; hearth: Summary }> {
  return Object.fromEntries(
    Object.entries(rates).map(([measure, { bare, hearth }]) => [
      measure,
      { bare: summarize(bare), hearth: summarize(hearth) },
    ]),
  );
}
