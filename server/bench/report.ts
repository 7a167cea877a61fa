/** Tables, goals and the results file. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export interface Goal {
  name: string;
  /** The measured value; null when the measurement is not available. */
  value: number | null;
  limit: number;
  /** `min`: the value must be at least the limit; `max`: at most. */
  kind: "min" | "max";
  unit: string;
}

export function met({ value, limit, kind }: Goal): boolean {
  if (value === null || Number.isNaN(value)) return false;
  return kind === "min" ? value >= limit : value <= limit;
}

export function printTable(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  console.log(`\n${title}`);
  console.log(line(head));
  console.log(`|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  for (const row of rows) console.log(line(row));
}

export function printGoals(goals: readonly Goal[]): void {
  printTable(
    "Goals",
    ["goal", "measured", "limit", ""],
    goals.map((goal) => [
      goal.name,
      goal.value === null ? "not available" : `${number(goal.value)} ${goal.unit}`,
      `${goal.kind === "min" ? "≥" : "≤"} ${number(goal.limit)} ${goal.unit}`,
      met(goal) ? "pass" : "MISS",
    ]),
  );
}

/** Formats with three significant digits; numbers from 1,000 without decimals. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size >= 100) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(size >= 1 ? 2 : 3);
}

export function machineFacts() {
  const require = createRequire(import.meta.url);
  const version = (name: string): string => {
    try {
      return (JSON.parse(readFileSync(packageJson(require, name), "utf8")) as { version: string }).version;
    } catch {
      return "not installed";
    }
  };
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    loadAverageAtStart: loadavg()[0]!,
    node: process.version,
    packages: Object.fromEntries(
      ["undici", "fastify", "node-llama-cpp", "@portkey-ai/gateway"].map((name) => [name, version(name)]),
    ),
  };
}

/** The path of a package's package.json, also when its `exports` hide it. */
function packageJson(require: NodeJS.Require, name: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return require.resolve(`${folder}/${name}/package.json`);
    } catch {
      // The package is not in this folder.
    }
  }
  throw new Error(`${name} is not installed`);
}

export function writeResults(file: URL, results: unknown): void {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}
