import type { Clock } from "../../lib/clock.ts";
import { type LoadTargets, nextTarget, replicasNeeded, type ScalingPolicy } from "./autoscaling-policy.ts";
import { type LoadSample, SlidingLoadAverage, SlidingMaximum } from "./sliding-windows.ts";

export interface AutoscalingLoopPolicy extends ScalingPolicy {
  scaleUpWindowMs: number;
  scaleDownWindowMs: number;
  loadTargets: LoadTargets;
  /** Slots of one replica. */
  concurrency: number;
}

export interface AutoscalingLoopOptions {
  clock: Clock;
  policy: AutoscalingLoopPolicy;
  /** Time since the last use of the deployment. */
  idleMs: number;
  readLoad: () => LoadSample;
  /** Called when `target` has changed. */
  onTargetChange: () => void;
}

/** The load is sampled ten times in a scale-up window, at an interval within these bounds. */
const SAMPLES_PER_WINDOW = 10;
const MIN_SAMPLE_MS = 100;
const MAX_SAMPLE_MS = 1000;

/** Samples the load of a deployment and computes the number of replicas that it should have. */
export class AutoscalingLoop {
  readonly #options: AutoscalingLoopOptions;
  readonly #load = new SlidingLoadAverage();
  readonly #peak = new SlidingMaximum();
  #policy: AutoscalingLoopPolicy;
  #target: number;
  /** Monotonic. */
  #lastUsedMs: number;
  #cancel: (() => void) | null = null;

  constructor(options: AutoscalingLoopOptions) {
    this.#options = options;
    this.#policy = options.policy;
    this.#lastUsedMs = options.clock.monotonicMs() - options.idleMs;
    this.#load.add(options.clock.monotonicMs(), options.readLoad(), 0);
    this.#target = this.#boundedTarget(1);
    this.#schedule();
  }

  /** Replicas wanted. */
  get target(): number {
    return this.#target;
  }

  /** Monotonic time of the last sign of a request. */
  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  set policy(policy: AutoscalingLoopPolicy) {
    this.#policy = policy;
    this.#setTarget(this.#boundedTarget(this.#target));
    this.#schedule();
  }

  /** Notes the time of a request, and starts a replica at once when the deployment was scaled to zero. */
  recordRequest(): void {
    this.#lastUsedMs = this.#options.clock.monotonicMs();
    if (this.#target === 0) this.#setTarget(this.#boundedTarget(1));
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Sets no timer for a deployment whose number of replicas can't change. */
  #schedule(): void {
    this.stop();
    const { minReplicas, maxReplicas, fixedReplicas, scaleUpWindowMs } = this.#policy;
    if (fixedReplicas !== null || minReplicas === maxReplicas) return;
    const windowShareMs = scaleUpWindowMs / SAMPLES_PER_WINDOW;
    const sampleMs = Math.min(MAX_SAMPLE_MS, Math.max(MIN_SAMPLE_MS, windowShareMs));
    this.#cancel = this.#options.clock.after(sampleMs, () => {
      this.#evaluate();
      this.#schedule();
    });
  }

  #evaluate(): void {
    const { scaleUpWindowMs, scaleDownWindowMs, loadTargets, concurrency } = this.#policy;
    const nowMs = this.#options.clock.monotonicMs();
    const reading = this.#options.readLoad();
    if (reading.concurrentRequests > 0) this.#lastUsedMs = nowMs;
    const needed = replicasNeeded(this.#load.add(nowMs, reading, scaleUpWindowMs), loadTargets, concurrency);
    const recentPeak = this.#peak.add(nowMs, needed, scaleDownWindowMs);
    const idleMs = nowMs - this.#lastUsedMs;
    this.#setTarget(nextTarget(this.#policy, { current: this.#target, needed, recentPeak, idleMs }));
  }

  /** The number nearest to `current` that the policy allows. It counts as needed for the scale-down window. */
  #boundedTarget(current: number): number {
    const nowMs = this.#options.clock.monotonicMs();
    const idleMs = nowMs - this.#lastUsedMs;
    const target = nextTarget(this.#policy, { current, needed: 0, recentPeak: current, idleMs });
    this.#peak.add(nowMs, target, this.#policy.scaleDownWindowMs);
    return target;
  }

  #setTarget(target: number): void {
    if (target === this.#target) return;
    this.#target = target;
    this.#options.onTargetChange();
  }
}
