import { DEFAULT_SCALING, LOAD_TARGETS, MAX_REPLICAS, type Scaling } from "../../fleet/service.ts";
import { isTimeZone, parseCron, previousOccurrence } from "../../lib/cron.ts";
import { checkDisplayName, checkText } from "../../lib/display-text.ts";
import { formatDuration, parseDuration } from "../../lib/durations.ts";
import { badRequest } from "../../lib/errors.ts";
import type { DeploymentBody, ScalingSchedule, StoredSpec } from "./schema.ts";

const HOUR_MS = 3_600_000;
const DEFAULT_UNUSED_AUTO_DELETE = "604800s";
const MAX_SCHEDULES = 5;
const MAX_DESCRIPTION_CHARS = 999;
/** A year: a longer window is a typing error. */
const MAX_WINDOW_MS = 365 * 24 * HOUR_MS;

/** @throws AppError BAD_REQUEST naming the field. */
export function checkScaling(body: DeploymentBody): void {
  const { min, max } = replicaBounds(body);
  if (min > MAX_REPLICAS) tooMany("minReplicaCount");
  if (max > MAX_REPLICAS) tooMany("maxReplicaCount");
  if (max < min) throw badRequest("maxReplicaCount", "maxReplicaCount must not be below minReplicaCount.");
  const policy = "autoscalingPolicy";
  const { scaleUpWindow, scaleDownWindow, scaleToZeroWindow, loadTargets, scalingSchedules } =
    body.autoscalingPolicy ?? {};
  checkWindow(`${policy}.scaleUpWindow`, scaleUpWindow, 0, HOUR_MS);
  checkWindow(`${policy}.scaleDownWindow`, scaleDownWindow, 0, HOUR_MS);
  checkWindow(`${policy}.scaleToZeroWindow`, scaleToZeroWindow, HOUR_MS / 12, MAX_WINDOW_MS);
  checkWindow("unusedAutoDeleteDuration", body.unusedAutoDeleteDuration, 0, MAX_WINDOW_MS);
  checkSchedules(`${policy}.scalingSchedules`, scalingSchedules, max);
  for (const [name, value] of Object.entries(loadTargets ?? {})) {
    const field = `${policy}.loadTargets.${name}`;
    if (!LOAD_TARGETS.includes(name)) {
      throw badRequest(`${policy}.loadTargets`, `A load target must be one of ${LOAD_TARGETS.join(", ")}.`);
    }
    if (!(value > 0)) throw badRequest(field, `${field} must be above 0.`);
    if (name === "default" && value > 1) throw badRequest(field, `${field} must not be above 1.`);
  }
}

/** The bounds of the number of replicas. The upper bound defaults to the lower one, and to 1 at least. */
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

/** The policy as clients see it, with its defaults. */
export function policyView(spec: Pick<StoredSpec, "autoscalingPolicy">): object {
  const { scaleUpWindowMs, scaleDownWindowMs, scaleToZeroWindowMs, loadTargets } = scalingOf(spec);
  return {
    scaleUpWindow: formatDuration(scaleUpWindowMs),
    scaleDownWindow: formatDuration(scaleDownWindowMs),
    scaleToZeroWindow: formatDuration(scaleToZeroWindowMs),
    loadTargets,
    scalingSchedules: spec.autoscalingPolicy?.scalingSchedules ?? {},
  };
}

/** The lower bound at `nowMs`: the maximum of the deployment's own bound and those of active schedules. */
export function minReplicasAt(spec: StoredSpec, nowMs: number): number {
  const schedules = Object.values(spec.autoscalingPolicy?.scalingSchedules ?? {});
  return Math.max(replicaBounds(spec).min, ...schedules.map((schedule) => floorAt(schedule, nowMs)));
}

function floorAt(
  { disabled, schedule, timezone, duration, minReplicaCount }: ScalingSchedule,
  nowMs: number,
): number {
  const cron = disabled ? null : parseCron(schedule as string);
  if (cron === null) return 0;
  const startMs = previousOccurrence(cron, timezone as string, nowMs, parseDuration(duration as string));
  return startMs === null ? 0 : (minReplicaCount as number);
}

function checkSchedules(
  policy: string,
  schedules: Readonly<Record<string, ScalingSchedule>> | undefined,
  maxReplicas: number,
): void {
  const entries = Object.entries(schedules ?? {});
  if (entries.length > MAX_SCHEDULES)
    throw badRequest(policy, `${policy} holds more than ${MAX_SCHEDULES} schedules.`);
  for (const [name, schedule] of entries) {
    checkDisplayName(policy, name);
    const field = (part: keyof ScalingSchedule): string => `${policy}.${name}.${part}`;
    for (const part of ["minReplicaCount", "schedule", "duration", "timezone"] as const) {
      if (schedule[part] === undefined)
        throw badRequest(field(part), `The field ${field(part)} is required.`);
    }
    if ((schedule.minReplicaCount as number) > maxReplicas) {
      throw badRequest(
        field("minReplicaCount"),
        `${field("minReplicaCount")} must not be above maxReplicaCount.`,
      );
    }
    if (parseCron(schedule.schedule as string) === null) {
      throw badRequest(
        field("schedule"),
        `${field("schedule")} must be five fields of cron such as 0 8 * * 1-5.`,
      );
    }
    checkWindow(field("duration"), schedule.duration, HOUR_MS / 12, 7 * 24 * HOUR_MS);
    if (!isTimeZone(schedule.timezone as string)) {
      throw badRequest(field("timezone"), `${field("timezone")} must be a time zone such as Europe/Paris.`);
    }
    checkText(field("description"), schedule.description ?? "", MAX_DESCRIPTION_CHARS);
  }
}

/** Time without a request after which a deployment is deleted; null: never. */
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
