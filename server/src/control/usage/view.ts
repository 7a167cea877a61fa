import { formatDollars } from "../../metering/money/service.ts";
import type { Grouping, ReportRow, UsageSums } from "../../metering/usage/service.ts";
import type { Usage, UsageFigures } from "./schema.ts";

export function toUsage(groupBy: readonly Grouping[], row: ReportRow): Usage {
  return { ...Object.fromEntries(groupBy.map((name, i) => [name, row.group[i]])), ...toFigures(row) };
}

/** Columns of an export. */
export const FIGURE_NAMES = [
  "requests",
  "promptTokens",
  "cachedPromptTokens",
  "generatedTokens",
  "audioSeconds",
  "images",
  "acceleratorSeconds",
  "cpuSeconds",
  "trainingTokens",
  "cost",
] as const;

/** The figures in the order of `FIGURE_NAMES`. */
export function toFigures(sums: UsageSums): UsageFigures {
  return {
    requests: String(sums.requests),
    promptTokens: String(sums.promptTokens),
    cachedPromptTokens: String(sums.cachedTokens),
    generatedTokens: String(sums.completionTokens),
    audioSeconds: formatSeconds(sums.audioMs),
    images: String(sums.images),
    acceleratorSeconds: formatSeconds(sums.gpuMs),
    cpuSeconds: formatSeconds(sums.cpuMs),
    trainingTokens: String(sums.trainingTokens),
    cost: formatDollars(sums.costMicros),
  };
}

/** Seconds, exact to the millisecond: `90`, `0.25`. */
function formatSeconds(ms: bigint): string {
  const fraction = String(ms % 1_000n)
    .padStart(3, "0")
    .replace(/0+$/, "");
  return `${ms / 1_000n}${fraction === "" ? "" : `.${fraction}`}`;
}
