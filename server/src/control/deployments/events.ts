import type { DeploymentStatus as FleetDeploymentStatus } from "../../fleet/service.ts";
import { badRequest } from "../../lib/errors.ts";
import { deploymentName } from "./names.ts";
import type { DeploymentEvent, DeploymentRow } from "./store.ts";
import { observedStatus, replicaStatsView } from "./view.ts";

/** Metrics of the requests that a deployment's replicas have served. */
export interface RequestMetrics {
  requests: number;
  errors: number;
  promptTokens: number;
  cachedPromptTokens: number;
  generatedTokens: number;
  /** Mean over requests that got a token; null: there were none. */
  timeToFirstTokenMeanMs: number | null;
  durationMeanMs: number | null;
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_RANGE_MS = 30 * 86_400_000;

/** Milliseconds of `10m` or `2h`; at most 30 days. @throws AppError BAD_REQUEST naming timeRange. */
export function timeRangeMs(text = "10m"): number {
  const [, count, unit] = /^([1-9]\d{0,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNITS_MS[unit ?? ""] ?? Number.NaN);
  if (ms <= MAX_RANGE_MS) return ms;
  throw badRequest("timeRange", "timeRange must be a time such as 90s, 10m, 2h or 7d, and at most 30d.");
}

/** In seconds and tokens; a mean without requests is left out. */
export function metricsView(metrics: RequestMetrics, rangeMs: number): { metrics: Record<string, number> } {
  const { timeToFirstTokenMeanMs, durationMeanMs } = metrics;
  return {
    metrics: {
      requests: metrics.requests,
      errors: metrics.errors,
      prompt_tokens: metrics.promptTokens,
      cached_prompt_tokens: metrics.cachedPromptTokens,
      generated_tokens: metrics.generatedTokens,
      requests_per_second: metrics.requests / (rangeMs / 1000),
      tokens_generated_per_second: metrics.generatedTokens / (rangeMs / 1000),
      ...(timeToFirstTokenMeanMs === null ? {} : { time_to_first_token_mean: timeToFirstTokenMeanMs / 1000 }),
      ...(durationMeanMs === null ? {} : { time_to_last_token_mean: durationMeanMs / 1000 }),
    },
  };
}

/** A deployment on one host has one shard: all of its replicas. */
export function shardViews(row: DeploymentRow, status: FleetDeploymentStatus | null): object[] {
  if (row.state === "DELETED") return [];
  const observed = status === null ? row.observed : observedStatus(status);
  return [
    {
      name: `${deploymentName(row)}/shards/shard-0`,
      createTime: row.createTime.toISOString(),
      updateTime: row.updateTime.toISOString(),
      state: row.state,
      status: { code: row.statusCode || "OK", message: row.statusMessage || observed.message },
      replicaStats: replicaStatsView(observed),
    },
  ];
}

/**
 * Why the deployment failed, or why its replicas fail or can never run on this host; an empty message when nothing fails. The operator also gets the latest
 * failure with the end of the process's output, which may name paths of the host.
 */
export function terminationView(
  row: DeploymentRow,
  status: FleetDeploymentStatus | null,
  isOperator: boolean,
): object {
  const { failing, unplaceable = 0, message } = status === null ? row.observed : observedStatus(status);
  const failed = status?.replicas.find(({ stage, lastFailure }) => stage !== "ready" && lastFailure !== null);
  const reason = failed?.lastFailure?.message ?? message;
  const { lastFailure } = row.observed;
  return {
    message: row.statusMessage || (failing + unplaceable > 0 ? reason : ""),
    ...(isOperator && lastFailure !== undefined ? { lastFailure } : {}),
  };
}

export function eventView({ time, type, message }: DeploymentEvent): object {
  return { time: time.toISOString(), type, message };
}
