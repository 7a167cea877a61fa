/** How long a schema takes to become a grammar, in a process that has compiled hardly anything before. */
import { ask, end, nextMessage, startNode } from "../processes.ts";
import { type Goal, number, printTable } from "../report.ts";
import { median, percentile, spreadPercent, summarize } from "../stats.ts";
import type { CompileOrder, CompileRun } from "./compile-loop.ts";

const SCHEMAS = 200;
const START_TIMEOUT_MS = 30_000;
const RUN_TIMEOUT_MS = 60_000;

export async function measureCompile(rounds: number): Promise<{ results: unknown; goals: Goal[] }> {
  const p50: number[] = [];
  const p99: number[] = [];
  let slowest = { ms: 0, kind: "" };
  for (let round = 0; round < rounds; round += 1) {
    const child = startNode(new URL("./compile-loop.ts", import.meta.url), [], { core: null });
    try {
      await nextMessage(child, START_TIMEOUT_MS);
      const order: CompileOrder = { seed: 1 + round, count: SCHEMAS };
      const { times } = await ask<CompileRun>(child, order, RUN_TIMEOUT_MS);
      const allMs = times.map(({ ms }) => ms);
      p50.push(percentile(allMs, 0.5));
      p99.push(percentile(allMs, 0.99));
      for (const time of times) if (time.ms > slowest.ms) slowest = time;
    } finally {
      await end(child, 2_000);
    }
  }
  printTable(
    `Grammars of ${SCHEMAS} schemas, ms each`,
    ["p50", "±%", "p99", "±%", "slowest", "of kind"],
    [
      [
        number(median(p50)),
        number(spreadPercent(summarize(p50))),
        number(median(p99)),
        number(spreadPercent(summarize(p99))),
        number(slowest.ms),
        slowest.kind,
      ],
    ],
  );
  return {
    results: { p50Ms: summarize(p50), p99Ms: summarize(p99), slowest },
    goals: [
      { name: "text: schema compile, p50", value: median(p50), limit: 2, kind: "max", unit: "ms" },
      { name: "text: schema compile, p99", value: median(p99), limit: 50, kind: "max", unit: "ms" },
    ],
  };
}
