import type { EngineUsage } from "../../engine/generation.ts";
import type { RequestRecord } from "../pipeline/record.ts";

const PREFIX = "fireworks-";

/**
 * Figures of a whole response as headers, names and values alternating. Durations are in seconds. The time to the first
 * token is left out when the engine gave tokens but not their times.
 */
export function timingHeaders(record: RequestRecord, prediction: EngineUsage["prediction"]): string[] {
  const totalMs = record.elapsedMs;
  const headers = [
    "fireworks-prompt-tokens",
    `${record.promptTokens}`,
    "fireworks-cached-prompt-tokens",
    `${record.cachedTokens}`,
    "fireworks-server-processing-time",
    formatSeconds(totalMs),
  ];
  // A response without tokens was complete when its first token would have come.
  const firstTokenMs = record.timeToFirstTokenMs ?? (record.completionTokens === 0 ? totalMs : null);
  if (firstTokenMs !== null)
    headers.push("fireworks-server-time-to-first-token", formatSeconds(firstTokenMs));
  if (prediction !== undefined) {
    const { acceptedTokens, rejectedTokens } = prediction;
    headers.push("fireworks-speculation-prompt-tokens", `${acceptedTokens + rejectedTokens}`);
    headers.push("fireworks-speculation-prompt-matched-tokens", `${acceptedTokens}`);
  }
  return headers;
}

/** The same figures as a JSON object for the body, whose names lack `fireworks-`. */
export function perfMetricsJson(record: RequestRecord, prediction: EngineUsage["prediction"]): string {
  const headers = timingHeaders(record, prediction);
  const metrics: Record<string, number> = {};
  for (let i = 0; i < headers.length; i += 2) {
    metrics[(headers[i] as string).slice(PREFIX.length)] = Number(headers[i + 1]);
  }
  return JSON.stringify(metrics);
}

/** Rounded to 0.1 ms. */
function formatSeconds(ms: number): string {
  return `${Math.round(ms * 10) / 10_000}`;
}
