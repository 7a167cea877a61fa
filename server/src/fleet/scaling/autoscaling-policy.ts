/** How many replicas a load needs. Pure: no clock, no memory. */

/** The load of a deployment, averaged over a window. */
export interface Load {
  /** Generations that run or wait for a replica; a request for n choices counts n times. */
  concurrentRequests: number;
  requestsPerS: number;
  generatedTokensPerS: number;
  promptTokensPerS: number;
}

/** The load per replica that the autoscaler aims at, by the measure; see `LOAD_TARGETS` for the keys. */
export type LoadTargets = Readonly<Record<string, number>>;

type Need = (load: Load, target: number, concurrency: number) => number;

/**
 * Replicas that keep each replica's share of the load at the target. `default` is a fraction of what a replica computes at
 * the same time (its slots); every other target is an amount a replica.
 */
const NEEDS: Readonly<Record<string, Need>> = {
  default: (load, target, concurrency) => load.concurrentRequests / (target * concurrency),
  concurrent_requests: (load, target) => load.concurrentRequests / target,
  requests_per_second: (load, target) => load.requestsPerS / target,
  tokens_generated_per_second: (load, target) => load.generatedTokensPerS / target,
  prompt_tokens_per_second: (load, target) => load.promptTokensPerS / target,
};

/** The keys of load targets. `default` is a fraction in (0, 1]; the others are above 0. */
export const LOAD_TARGETS: readonly string[] = Object.keys(NEEDS);

/** Subtracted before rounding up: the floating-point error of 8 / (0.8 · 10) must not cost a replica. */
const ROUNDING = 1e-9;

/** Replicas that the load needs: the maximum over all targets, rounded up; 0 for no load. */
export function replicasNeeded(load: Load, targets: LoadTargets, concurrency: number): number {
  let most = 0;
  for (const [key, target] of Object.entries(targets)) {
    most = Math.max(most, NEEDS[key]!(load, target, concurrency));
  }
  return Math.max(0, Math.ceil(most - ROUNDING));
}

export interface ScalingPolicy {
  /** 0 ≤ min ≤ max. */
  minReplicas: number;
  maxReplicas: number;
  /** The number of replicas whatever the load; null: the rules decide. */
  fixedReplicas: number | null;
  /** Idle time after which a deployment with `minReplicas` 0 has no replica. */
  scaleToZeroWindowMs: number;
}

export interface Demand {
  /** The present target. */
  current: number;
  /** Replicas that the load over the scale-up window needs. */
  needed: number;
  /** The maximum of `needed` within the scale-down window. */
  recentPeak: number;
  /** Time since the last request; 0 while one runs. */
  idleMs: number;
}

/**
 * The next target. It grows as soon as the load over the scale-up window needs more replicas. It shrinks to the highest need
 * within the scale-down window, so that no decrease follows an increase within that window. Growth from zero to one is not
 * decided here: a request causes it at once.
 */
export function nextTarget(policy: ScalingPolicy, demand: Demand): number {
  const { minReplicas, maxReplicas, fixedReplicas, scaleToZeroWindowMs } = policy;
  const { current, needed, recentPeak, idleMs } = demand;
  if (fixedReplicas !== null) return fixedReplicas;
  if (minReplicas === 0 && (current === 0 || idleMs >= scaleToZeroWindowMs)) return 0;
  const wanted = Math.max(needed, Math.min(current, recentPeak));
  return Math.min(maxReplicas, Math.max(minReplicas, 1, wanted));
}
