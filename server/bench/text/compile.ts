/**
 * The time to compile a schema to a grammar, in a fresh process (the figure with a goal) and in the same process once it is
 * warm. No schema comes twice, so the cache never helps.
 */
import { end, nextMessage, request, startNode } from "../processes.ts";
import { type Goal, number, printTable } from "../report.ts";
import { median, percentile, type Summary, spreadPercent, summarize } from "../stats.ts";
import type { CompileOrder, CompileRun } from "./compile-loop.ts";

const SCHEMAS = 200;
const START_TIMEOUT_MS = 240_000;
const RUN_TIMEOUT_MS = 240_000;

export async function measureCompile(rounds: number): Promise<{ results: unknown; goals: Goal[] }> {
  const first = { p50: [] as number[], p99: [] as number[] };
  const later = { p50: [] as number[], p99: [] as number[] };
  const byKind: Record<string, number[]> = {};
  let slowest = { ms: 0, kind: "" };
  for (let round = 0; round < rounds; round += 1) {
    const child = startNode(new URL("./compile-loop.ts", import.meta.url), [], { core: null });
    try {
      await nextMessage(child, START_TIMEOUT_MS);
      for (const [i, phase] of [first, later].entries()) {
        const order: CompileOrder = { seed: 1 + 2 * round + i, count: SCHEMAS };
        const { times } = await request<CompileRun>(child, order, RUN_TIMEOUT_MS);
        const allMs = times.map(({ ms }) => ms);
        phase.p50.push(percentile(allMs, 0.5));
        phase.p99.push(percentile(allMs, 0.99));
        if (phase === later) continue;
        for (const time of times) {
          if (time.ms > slowest.ms) slowest = time;
          byKind[time.kind] = [...(byKind[time.kind] ?? []), time.ms];
        }
      }
    } finally {
      await end(child, 2_000);
    }
  }
  const row = (name: string, { p50, p99 }: typeof first) => [
    name,
    ...[summarize(p50), summarize(p99)].flatMap((one) => [number(one.median), number(spreadPercent(one))]),
  ];
  printTable(
    `Grammars of ${SCHEMAS} schemas, ms each; slowest ${number(slowest.ms)} (${slowest.kind})`,
    ["", "p50", "±%", "p99", "±%"],
    [row("the first after the start", first), row("the next", later)],
  );
  const summary = ({ p50, p99 }: typeof first) => ({ p50Ms: summarize(p50), p99Ms: summarize(p99) });
  return {
    results: { first: summary(first), later: summary(later), slowest, byKindMs: summarized(byKind) },
    goals: [
      { name: "text: schema compile, p50", value: median(first.p50), limit: 2, kind: "max", unit: "ms" },
      { name: "text: schema compile, p99", value: median(first.p99), limit: 50, kind: "max", unit: "ms" },
    ],
  };
}

function summarized(byKind: Record<string, number[]>): Record<string, Summary> {
  return Object.fromEntries(Object.entries(byKind).map(([kind, values]) => [kind, summarize(values)]));
}
