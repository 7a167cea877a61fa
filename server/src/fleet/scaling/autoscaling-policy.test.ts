import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Demand,
  LOAD_TARGETS,
  type Load,
  nextTarget,
  replicasNeeded,
  type ScalingPolicy,
} from "./autoscaling-policy.ts";

const NO_LOAD: Load = { concurrentRequests: 0, requestsPerS: 0, generatedTokensPerS: 0, promptTokensPerS: 0 };

const amount = fc.double({ min: 0, max: 1e6, noNaN: true });
const load = fc.record({
  concurrentRequests: amount,
  requestsPerS: amount,
  generatedTokensPerS: amount,
  promptTokensPerS: amount,
});
const targets = fc.dictionary(
  fc.constantFrom(...LOAD_TARGETS),
  fc.double({ min: 0.01, max: 1, noNaN: true }),
);
const concurrency = fc.integer({ min: 1, max: 256 });

describe("the number of replicas for a load", () => {
  it.each<[string, Partial<Load>, Record<string, number>, number]>([
    ["none without load", {}, { default: 0.8 }, 0],
    ["one for the least load", { concurrentRequests: 0.001 }, { default: 0.8 }, 1],
    ["one up to the fraction of its slots", { concurrentRequests: 8 }, { default: 0.8 }, 1],
    ["two just above", { concurrentRequests: 8.01 }, { default: 0.8 }, 2],
    ["tokens a replica", { generatedTokensPerS: 950 }, { tokens_generated_per_second: 100 }, 10],
    ["prompt tokens a replica", { promptTokensPerS: 950 }, { prompt_tokens_per_second: 500 }, 2],
    ["requests a second a replica", { requestsPerS: 2.5 }, { requests_per_second: 0.5 }, 5],
    ["requests at a time a replica", { concurrentRequests: 9 }, { concurrent_requests: 3 }, 3],
    [
      "the most over all targets",
      { concurrentRequests: 1, requestsPerS: 7 },
      { default: 0.5, requests_per_second: 1 },
      7,
    ],
  ])("%s", (_what, some, loadTargets, replicas) => {
    expect(replicasNeeded({ ...NO_LOAD, ...some }, loadTargets, 10)).toBe(replicas);
  });

  it("never falls when the load grows", () => {
    fc.assert(
      fc.property(load, load, targets, concurrency, (a, b, loadTargets, slots) => {
        const higherLoad: Load = {
          concurrentRequests: a.concurrentRequests + b.concurrentRequests,
          requestsPerS: a.requestsPerS + b.requestsPerS,
          generatedTokensPerS: a.generatedTokensPerS + b.generatedTokensPerS,
          promptTokensPerS: a.promptTokensPerS + b.promptTokensPerS,
        };
        expect(replicasNeeded(higherLoad, loadTargets, slots)).toBeGreaterThanOrEqual(
          replicasNeeded(a, loadTargets, slots),
        );
      }),
    );
  });
});

describe("the next target", () => {
  const policy = fc.tuple(fc.nat(8), fc.nat(8), fc.option(fc.nat(8)), fc.nat(10_000)).map(
    ([minReplicas, range, fixedReplicas, scaleToZeroWindowMs]): ScalingPolicy => ({
      minReplicas,
      maxReplicas: minReplicas + range,
      fixedReplicas,
      scaleToZeroWindowMs,
    }),
  );
  const demand: fc.Arbitrary<Demand> = fc
    .tuple(fc.nat(20), fc.nat(20), fc.nat(20), fc.nat(20_000))
    .map(([current, needed, excess, idleMs]) => ({
      current,
      needed,
      recentPeak: needed + excess,
      idleMs,
    }));

  it("is never outside the bounds; a fixed number takes precedence over them", () => {
    fc.assert(
      fc.property(policy, demand, (rules, load) => {
        const target = nextTarget(rules, load);
        if (rules.fixedReplicas !== null) expect(target).toBe(rules.fixedReplicas);
        else {
          expect(target).toBeGreaterThanOrEqual(rules.minReplicas);
          expect(target).toBeLessThanOrEqual(rules.maxReplicas);
        }
      }),
    );
  });

  it("never falls below the highest need within the scale-down window, unless all use has ended", () => {
    fc.assert(
      fc.property(policy, demand, (rules, load) => {
        fc.pre(rules.fixedReplicas === null && load.current > 0 && load.idleMs < rules.scaleToZeroWindowMs);
        const kept = Math.min(load.current, load.recentPeak, rules.maxReplicas);
        expect(nextTarget(rules, load)).toBeGreaterThanOrEqual(kept);
      }),
    );
  });

  it("is zero only after the window without use, and then stays zero whatever was needed before", () => {
    const rules = { minReplicas: 0, maxReplicas: 5, fixedReplicas: null, scaleToZeroWindowMs: 1000 };
    const load = { current: 3, needed: 0, recentPeak: 0 };
    expect(nextTarget(rules, { ...load, idleMs: 999 })).toBe(1);
    expect(nextTarget(rules, { ...load, idleMs: 1000 })).toBe(0);
    expect(nextTarget(rules, { ...load, recentPeak: 3, idleMs: 1000 })).toBe(0);
    expect(nextTarget(rules, { ...load, current: 0, recentPeak: 3, idleMs: 0 })).toBe(0);
  });
});
