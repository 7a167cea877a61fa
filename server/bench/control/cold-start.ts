/** The time from the start of the platform's process to the first token of the default model, with its weights in the cache. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { complete } from "../engine/client.ts";
import { startHearth } from "../hearth.ts";
import { type Goal, number, printTable } from "../report.ts";
import { summarize } from "../stats.ts";

export interface ColdStartOptions {
  /** Starts after the first one, which creates the database. */
  rounds: number;
}

const LIMIT_S = 3;

export async function measureColdStart({
  rounds,
}: ColdStartOptions): Promise<{ results: unknown; goals: Goal[] }> {
  const dataDir = await mkdtemp(join(tmpdir(), "hearth-cold-"));
  try {
    const firstMs = await startAndComplete(dataDir);
    const againMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) againMs.push(await startAndComplete(dataDir));
    const again = summarize(againMs);
    const seconds = (ms: number) => `${number(ms / 1000)} s`;
    printTable(
      "From the start of the process to the first token",
      ["", "median", "fastest", "slowest"],
      [
        ["first start, makes the database", seconds(firstMs), seconds(firstMs), seconds(firstMs)],
        ["later starts", seconds(again.median), seconds(again.min), seconds(again.max)],
      ],
    );
    const goal: Goal = {
      name: "cold start of the default model to the first token",
      unit: "s",
      kind: "max",
      value: again.median / 1000,
      limit: LIMIT_S,
    };
    return { results: { firstMs, againMs: again }, goals: [goal] };
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function startAndComplete(dataDir: string): Promise<number> {
  const startMs = performance.now();
  const hearth = await startHearth({ core: null, env: { HEARTH_DATA_DIR: dataDir } });
  try {
    let firstMs = Number.NaN;
    const onDelta = (count: number) => {
      if (count === 1) firstMs = performance.now() - startMs;
    };
    const { status, error } = await complete(hearth, {
      prompt: "A story about a bridge.",
      maxTokens: 4,
      stream: true,
      onDelta,
    });
    if (status !== 200) throw new Error(`the first request was refused: ${error}`);
    return firstMs;
  } finally {
    await hearth.dispose();
  }
}
