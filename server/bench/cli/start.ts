/** The duration of `firectl --help`, compared with an empty node script. */
import { type Goal, printTable } from "../report.ts";
import { median } from "../stats.ts";
import { firectl, requireSuccess, runToEnd } from "./program.ts";

export interface StartOptions {
  runs: number;
}

export async function measureStart(
  { runs }: StartOptions,
  home: string,
): Promise<{ results: unknown; goals: Goal[] }> {
  const [help, node]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run += 1) {
    const ended = await firectl(["--help"], home);
    requireSuccess(ended);
    help.push(ended.durationMs);
    node.push((await runToEnd(process.execPath, ["-e", "0"])).durationMs);
  }
  const results = { helpMs: median(help), nodeMs: median(node) };
  printTable(
    "firectl --help",
    ["program", "ms"],
    [
      ["firectl --help", results.helpMs.toFixed(0)],
      ["node -e 0", results.nodeMs.toFixed(0)],
    ],
  );
  return {
    results,
    goals: [{ name: "firectl --help", value: results.helpMs, limit: 200, kind: "max", unit: "ms" }],
  };
}
