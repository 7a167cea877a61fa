/** Latencies: time to the first token with a cached prefix, and gaps in a stream while another prompt is prefilled. */
import { type Goal, number, printTable } from "../report.ts";
import { spreadPercent, summarize } from "../stats.ts";
import { mustComplete } from "./client.ts";
import type { EngineBench } from "./run.ts";

const STREAM_TOKENS = 400;
/** Deltas of the stream that must have arrived before the long prompt is sent. */
const STREAM_HEAD_START = 8;

/** Time to the first token with a new prefix, then with the same prefix and another ending. */
export async function measurePrefix(
  bench: EngineBench,
  rounds: number,
): Promise<{ results: unknown; goals: Goal[] }> {
  const cold: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const prefix = await bench.prompt(bench.options.prefillTokens);
    const first = async (ending: string) => {
      const response = await mustComplete(bench.hearth, {
        prompt: `${prefix}\n${ending}`,
        maxTokens: 4,
        stream: true,
      });
      return response.deltasMs[0] ?? response.totalMs;
    };
    cold.push(await first("Question: which word comes first?"));
    warm.push(await first("Question: how many words are there?"));
    warm.push(await first("Answer: the last word is"));
  }
  const [coldMs, warmMs] = [summarize(cold), summarize(warm)];
  const cut = 100 * (1 - warmMs.median / coldMs.median);
  printTable(
    `Time to first token, ${number(bench.options.prefillTokens)}-token shared prefix`,
    ["cold ms", "±%", "warm ms", "±%", "cut"],
    [
      [
        number(coldMs.median),
        number(spreadPercent(coldMs)),
        number(warmMs.median),
        number(spreadPercent(warmMs)),
        `${number(cut)} %`,
      ],
    ],
  );
  return {
    results: { coldMs, warmMs },
    goals: [
      {
        name: "engine: warm prefix cuts the time to first token",
        value: cut,
        limit: 80,
        kind: "min",
        unit: "%",
      },
    ],
  };
}

/** The longest gap between deltas of a stream while another request's long prompt is prefilled. */
export async function measurePrefill(
  bench: EngineBench,
  rounds: number,
): Promise<{ results: unknown; goals: Goal[] }> {
  const gaps: number[] = [];
  const undisturbed: number[] = [];
  const prefillMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const long = await bench.prompt(bench.options.longPromptTokens);
    let sent: Promise<unknown> = Promise.resolve();
    const streamStartMs = performance.now();
    const window = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
    const stream = await mustComplete(bench.hearth, {
      prompt: Array.from({ length: 12 }, (_, i) => `${7_000 + 50 * round + i}`).join(", "),
      maxTokens: STREAM_TOKENS,
      stream: true,
      onDelta: (count) => {
        if (count !== STREAM_HEAD_START) return;
        window.fromMs = performance.now() - streamStartMs;
        sent = mustComplete(bench.hearth, { prompt: long, maxTokens: 1, stream: true }).then((response) => {
          window.toMs = performance.now() - streamStartMs;
          prefillMs.push(response.totalMs);
        });
      },
    });
    await sent;
    const pairs = stream.deltasMs.slice(1).map((atMs, i) => ({ gapMs: atMs - stream.deltasMs[i]!, atMs }));
    const during = pairs.filter(({ atMs, gapMs }) => atMs >= window.fromMs && atMs - gapMs <= window.toMs);
    gaps.push(Math.max(...during.map(({ gapMs }) => gapMs)));
    undisturbed.push(
      Math.max(...pairs.filter((pair) => !during.includes(pair)).map(({ gapMs }) => gapMs), 0),
    );
  }
  const worst = Math.max(...gaps);
  printTable(
    `A running stream while another's ${bench.options.longPromptTokens}-token prompt is prefilled`,
    ["longest gap ms, each round", "worst", "longest gap otherwise", "prefill s"],
    [
      [
        gaps.map(number).join(" "),
        number(worst),
        number(Math.max(...undisturbed)),
        number(Math.max(...prefillMs) / 1000),
      ],
    ],
  );
  return {
    results: { gapsMs: gaps, undisturbedMs: undisturbed, prefillMs },
    goals: [
      {
        name: "engine: longest gap during another's prefill",
        value: worst,
        limit: 400,
        kind: "max",
        unit: "ms",
      },
    ],
  };
}
