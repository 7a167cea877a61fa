import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
let benchmark: ChildProcess;

/** A benchmark that outlives its test would go on taking both cores: Ctrl-C ends it and what it started. */
afterAll(async () => {
  if (benchmark.exitCode !== null || benchmark.signalCode !== null) return;
  const exited = new Promise((resolve) => benchmark.once("exit", resolve));
  process.kill(-(benchmark.pid as number), "SIGINT");
  await exited;
});

test("npm run bench gives a figure for every goal and writes the figures down", async () => {
  const results = join(root, "bench-results.json");
  const saved = existsSync(results) ? readFileSync(results) : null;
  try {
    benchmark = spawn("npm", ["run", "bench", "--", "--smoke"], {
      cwd: root,
      stdio: "ignore",
      // A process group of its own, so that afterAll reaches npm and the benchmark.
      detached: true,
    });
    expect(await new Promise((resolve) => benchmark.once("exit", resolve))).toBe(0);
    const { goals } = JSON.parse(readFileSync(results, "utf8"));
    expect(goals.length).toBeGreaterThanOrEqual(9);
    expect(goals.filter((goal: { value: unknown }) => typeof goal.value !== "number")).toEqual([]);
  } finally {
    if (saved === null) rmSync(results, { force: true });
    else writeFileSync(results, saved);
  }
}, 1_200_000);
