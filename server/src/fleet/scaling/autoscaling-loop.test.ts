import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../lib/clock.ts";
import { AutoscalingLoop, type AutoscalingLoopPolicy } from "./autoscaling-loop.ts";

const POLICY: AutoscalingLoopPolicy = {
  minReplicas: 0,
  maxReplicas: 5,
  fixedReplicas: null,
  scaleUpWindowMs: 30_000,
  scaleDownWindowMs: 600_000,
  scaleToZeroWindowMs: 3_600_000,
  loadTargets: { default: 0.5 },
  concurrency: 10,
};

/** A scaler whose load is set by hand. */
function setUp(overrides: Partial<AutoscalingLoopPolicy> = {}, idleMs = 0) {
  const clock = new FakeClock();
  const load = { concurrentRequests: 0, requests: 0, generatedTokens: 0, promptTokens: 0 };
  const targets: number[] = [];
  const policy = { ...POLICY, ...overrides };
  const scaler: AutoscalingLoop = new AutoscalingLoop({
    clock,
    policy,
    idleMs,
    readLoad: () => load,
    onTargetChange: () => targets.push(scaler.target),
  });
  return { clock, load, targets, policy, scaler };
}

describe("a deployment's target", () => {
  it("starts at 1 for a deployment that was just used, and at 0 for one that has long been idle", () => {
    expect(setUp().scaler.target).toBe(1);
    expect(setUp({}, 3_600_000).scaler.target).toBe(0);
    expect(setUp({ minReplicas: 2 }, 3_600_000).scaler.target).toBe(2);
    expect(setUp({ maxReplicas: 0 }).scaler.target).toBe(0);
    expect(setUp({ fixedReplicas: 4 }).scaler.target).toBe(4);
  });

  it("rises once the load has lasted, not at its first sign", () => {
    const { clock, load, scaler } = setUp();
    load.concurrentRequests = 10;
    clock.advance(5_000);
    expect(scaler.target).toBe(1);
    clock.advance(25_000);
    expect(scaler.target).toBe(2);
    clock.advance(600_000);
    expect(scaler.target).toBe(2);
  });

  it("falls once the load has been lower for the whole scale-down window", () => {
    const { clock, load, scaler } = setUp();
    load.concurrentRequests = 20;
    clock.advance(60_000);
    expect(scaler.target).toBe(4);
    load.concurrentRequests = 1;
    clock.advance(590_000);
    expect(scaler.target).toBe(4);
    clock.advance(60_000);
    expect(scaler.target).toBe(1);
  });

  it("goes to zero after the window without requests, and back to one at the next", () => {
    const { clock, load, scaler } = setUp();
    load.concurrentRequests = 1;
    clock.advance(7_200_000);
    expect(scaler.target).toBe(1);
    load.concurrentRequests = 0;
    clock.advance(3_598_000);
    expect(scaler.target).toBe(1);
    clock.advance(3_000);
    expect(scaler.target).toBe(0);
    scaler.recordRequest();
    expect(scaler.target).toBe(1);
    clock.advance(3_000_000);
    expect(scaler.target).toBe(1);
  });

  it("stays the same when a request could not use another replica", () => {
    for (const overrides of [{ maxReplicas: 0 }, { fixedReplicas: 0 }]) {
      const { scaler } = setUp(overrides);
      scaler.recordRequest();
      expect(scaler.target).toBe(0);
    }
  });

  it("follows a change of the policy at once, and falls no faster because of the change", () => {
    const { clock, scaler, policy, targets } = setUp({ minReplicas: 3 });
    scaler.policy = { ...policy, minReplicas: 4 };
    expect(scaler.target).toBe(4);
    scaler.policy = { ...policy, minReplicas: 0 };
    clock.advance(599_000);
    expect(scaler.target).toBe(4);
    clock.advance(3_000);
    expect(scaler.target).toBe(1);
    scaler.policy = { ...policy, fixedReplicas: 2 };
    expect(scaler.target).toBe(2);
    scaler.policy = { ...policy, maxReplicas: 1, minReplicas: 0 };
    expect(targets).toEqual([4, 1, 2, 1]);
  });

  it("is computed from the rate of tokens when the policy sets a target for that rate", () => {
    const { clock, load, scaler } = setUp({ loadTargets: { tokens_generated_per_second: 100 } });
    for (let second = 0; second < 60; second++) {
      load.generatedTokens += 250;
      clock.advance(1000);
    }
    expect(scaler.target).toBe(3);
  });

  it("doesn't change any more once the loop is stopped", () => {
    const { clock, load, scaler, targets } = setUp();
    scaler.stop();
    load.concurrentRequests = 100;
    clock.advance(600_000);
    expect(targets).toEqual([]);
  });
});

describe("under any load", () => {
  /** How long a load lasts, and how high it is. */
  const course = fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.nat(80)), {
    minLength: 1,
    maxLength: 30,
  });

  /** Every change of the target, with its time. */
  function changes(steps: readonly (readonly [number, number])[], overrides: Partial<AutoscalingLoopPolicy>) {
    const { clock, load, scaler } = setUp(overrides);
    const targets = [{ atMs: clock.now(), target: scaler.target }];
    for (const [seconds, concurrentRequests] of steps) {
      load.concurrentRequests = concurrentRequests;
      if (concurrentRequests > 0) scaler.recordRequest();
      for (let second = 0; second < seconds; second++) {
        clock.advance(1000);
        if (scaler.target !== targets.at(-1)!.target)
          targets.push({ atMs: clock.now(), target: scaler.target });
      }
    }
    return { seen: targets, clock, scaler, load };
  }

  it("the target stays within its bounds", () => {
    fc.assert(
      fc.property(course, fc.nat(3), fc.nat(4), (steps, minReplicas, range) => {
        const { seen } = changes(steps, { minReplicas, maxReplicas: minReplicas + range });
        for (const { target } of seen) {
          expect(target).toBeGreaterThanOrEqual(minReplicas);
          expect(target).toBeLessThanOrEqual(minReplicas + range);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("the target doesn't fall within the scale-down window after it rose", () => {
    fc.assert(
      fc.property(course, (steps) => {
        const { seen } = changes(steps, { minReplicas: 1, scaleDownWindowMs: 60_000 });
        for (let i = 2; i < seen.length; i++) {
          const [before, rise, fall] = [seen[i - 2]!, seen[i - 1]!, seen[i]!];
          if (rise.target > before.target && fall.target < rise.target)
            expect(fall.atMs - rise.atMs).toBeGreaterThanOrEqual(60_000);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("the target ends at the minimum once there is no load", () => {
    fc.assert(
      fc.property(course, fc.nat(2), (steps, minReplicas) => {
        const { clock, scaler, load } = changes(steps, { minReplicas });
        load.concurrentRequests = 0;
        clock.advance(4_300_000);
        expect(scaler.target).toBe(minReplicas);
      }),
      { numRuns: 10 },
    );
  });
});
