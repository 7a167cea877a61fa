import { DEFAULT_SCALING, LOAD_TARGETS, MAX_REPLICAS, type Scaling } from "../../fleet/service.ts";
import { formatDuration, parseDuration } from "../../lib/durations.ts";
import { badRequest } from "../../lib/errors.ts";
import type { DeploymentBody, StoredSpec } from "./schema.ts";

const HOUR_MS = 3_600_000;
const DEFAULT_UNUSED_AUTO_DELETE = "604800s";
/** A year: longer ones are typing errors, and timers can't hold them. */
const MAX_WINDOW_MS = 365 * 24 * HOUR_MS;

/** @throws AppError BAD_REQUEST naming the field. */
export function checkScaling(body: DeploymentBody): void {
  const { min, max } = replicaBounds(body);
  if (min > MAX_REPLICAS) tooMany("minReplicaCount");
  if (max > MAX_REPLICAS) tooMany("maxReplicaCount");
  if (max < min) throw badRequest("maxReplicaCount", "maxReplicaCount must not be below minReplicaCount.");
  const policy = "autoscalingPolicy";
  const { scaleUpWindow, scaleDownWindow, scaleToZeroWindow, loadTargets } = body.autoscalingPolicy ?? {};
  checkWindow(`${policy}.scaleUpWindow`, scaleUpWindow, 0, HOUR_MS);
  checkWindow(`${policy}.scaleDownWindow`, scaleDownWindow, 0, HOUR_MS);
  checkWindow(`${policy}.scaleToZeroWindow`, scaleToZeroWindow, HOUR_MS / 12, MAX_WINDOW_MS);
  checkWindow("unusedAutoDeleteDuration", body.unusedAutoDeleteDuration, 0, MAX_WINDOW_MS);
  for (const [name, value] of Object.entries(loadTargets ?? {})) {
    const field = `${policy}.loadTargets.${name}`;
    if (!LOAD_TARGETS.includes(name)) {
      throw badRequest(`${policy}.loadTargets`, `A load target must be one of ${LOAD_TARGETS.join(", ")}.`);
    }
    if (!(value > 0)) throw badRequest(field, `${field} must be above 0.`);
    if (name === "default" && value > 1) throw badRequest(field, `${field} must not be above 1.`);
  }
}

/** The default of the upper bound is one replica, or the lower bound when that is more. */
export function replicaBounds(spec: Pick<DeploymentBody, "minReplicaCount" | "maxReplicaCount">): {
  min: number;
  max: number;
} {
  const min = spec.minReplicaCount ?? 0;
  return { min, max: spec.maxReplicaCount ?? Math.max(min, 1) };
}

export function scalingOf({ autoscalingPolicy = {} }: Pick<StoredSpec, "autoscalingPolicy">): Scaling {
  const { scaleUpWindow, scaleDownWindow, scaleToZeroWindow, loadTargets = {} } = autoscalingPolicy;
  return {
    scaleUpWindowMs: durationOr(scaleUpWindow, DEFAULT_SCALING.scaleUpWindowMs),
    scaleDownWindowMs: durationOr(scaleDownWindow, DEFAULT_SCALING.scaleDownWindowMs),
    scaleToZeroWindowMs: durationOr(scaleToZeroWindow, DEFAULT_SCALING.scaleToZeroWindowMs),
    loadTargets: Object.keys(loadTargets).length > 0 ? loadTargets : DEFAULT_SCALING.loadTargets,
  };
}

/** The policy as clients see it, defaults filled in. */
export function policyView(spec: Pick<StoredSpec, "autoscalingPolicy">): object {
  const { scaleUpWindowMs, scaleDownWindowMs, scaleToZeroWindowMs, loadTargets } = scalingOf(spec);
  return {
    scaleUpWindow: formatDuration(scaleUpWindowMs),
    scaleDownWindow: formatDuration(scaleDownWindowMs),
    scaleToZeroWindow: formatDuration(scaleToZeroWindowMs),
    loadTargets,
    scalingSchedules: {},
  };
}

/** Time without a request after which a deployment goes; null: never. */
export function unusedAutoDeleteMs({ unusedAutoDeleteDuration }: StoredSpec): number | null {
  return parseDuration(unusedAutoDeleteDuration ?? DEFAULT_UNUSED_AUTO_DELETE) || null;
}

function durationOr(text: string | undefined, otherwiseMs: number): number {
  return text === undefined ? otherwiseMs : parseDuration(text);
}

function checkWindow(field: string, text: string | undefined, minMs: number, maxMs: number): void {
  if (text === undefined) return;
  const ms = parseDuration(text, field);
  if (ms >= minMs && ms <= maxMs) return;
  throw badRequest(field, `${field} must be from ${formatDuration(minMs)} to ${formatDuration(maxMs)}.`);
}

function tooMany(field: string): never {
  throw badRequest(field, `${field} must not be above ${MAX_REPLICAS}.`);
}
