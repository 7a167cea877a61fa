import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextRolloutStep, type RolloutReplica } from "./rollout.ts";

class Fake implements RolloutReplica {
  revision: string;
  isRoutable = false;
  isBlocked = false;
  isDraining = false;
  load = 0;

  constructor(revision: string, overrides: Partial<RolloutReplica> = {}) {
    this.revision = revision;
    Object.assign(this, overrides);
  }
}

const ready = (revision: string, overrides: Partial<RolloutReplica> = {}) =>
  new Fake(revision, { isRoutable: true, ...overrides });

/** Applies the next step to copies of the replicas; null when the step is empty. */
function act(before: readonly Fake[], target: number): Fake[] | null {
  const members = before.map((member) => new Fake(member.revision, member));
  const { drain, revive, add } = nextRolloutStep(members, target, "new");
  for (const member of drain) Object.assign(member, { isDraining: true, isRoutable: false });
  for (const member of revive) Object.assign(member, { isDraining: false, isRoutable: true });
  if (drain.length + revive.length + add === 0) return null;
  return [...members, ...Array.from({ length: add }, () => new Fake("new"))];
}

/** Applies steps until one is empty, and returns every state on the way. */
function actAll(members: readonly Fake[], target: number): Fake[][] {
  const states = [[...members]];
  for (let next = act(members, target); next !== null; next = act(next, target)) {
    states.push(next);
    expect(states.length).toBeLessThan(10);
  }
  return states;
}

const members = fc.array(
  fc
    .record({
      revision: fc.constantFrom("old", "new"),
      isRoutable: fc.boolean(),
      isBlocked: fc.boolean(),
      isDraining: fc.boolean(),
      load: fc.nat(5),
    })
    .map(({ revision, isRoutable, isBlocked, ...rest }) => {
      const serves = isRoutable && !rest.isDraining;
      return new Fake(revision, { ...rest, isRoutable: serves, isBlocked: isBlocked && !serves });
    }),
  { maxLength: 10 },
);

describe("one step of a rollout", () => {
  it("adds missing replicas and drains surplus ones, the least useful first", () => {
    expect(nextRolloutStep([], 3, "new")).toEqual({ drain: [], revive: [], add: 3 });
    const [busy, idle, starting] = [ready("new", { load: 2 }), ready("new"), new Fake("new")];
    expect(nextRolloutStep([busy, idle, starting], 2, "new").drain).toEqual([starting]);
    expect(nextRolloutStep([busy, idle, starting], 1, "new").drain).toEqual([starting, idle]);
    expect(nextRolloutStep([busy, idle, starting], 0, "new").drain).toHaveLength(3);
  });

  it("revives draining replicas before it adds new ones", () => {
    const draining = new Fake("new", { isDraining: true });
    expect(nextRolloutStep([draining], 2, "new")).toEqual({ drain: [], revive: [draining], add: 1 });
    expect(nextRolloutStep([new Fake("old", { isDraining: true })], 1, "new")).toMatchObject({
      revive: [],
      add: 1,
    });
  });

  it("starts one replica of a new revision beside the old ones, which drain one by one", () => {
    const old = [ready("old"), ready("old")];
    expect(nextRolloutStep(old, 2, "new")).toEqual({ drain: [], revive: [], add: 1 });
    expect(nextRolloutStep([...old, new Fake("new")], 2, "new")).toEqual({ drain: [], revive: [], add: 0 });
    expect(nextRolloutStep([...old, ready("new")], 2, "new")).toMatchObject({
      drain: [{ revision: "old" }],
      add: 1,
    });
  });

  it("drains an old replica first when there are no accelerators for both", () => {
    const old = [ready("old", { load: 1 }), ready("old")];
    const blocked = new Fake("new", { isBlocked: true });
    expect(nextRolloutStep([...old, blocked], 2, "new")).toMatchObject({ drain: [old[1]] });
    Object.assign(old[1]!, { isDraining: true, isRoutable: false });
    expect(nextRolloutStep([...old, blocked], 2, "new")).toMatchObject({ drain: [] });
    expect(nextRolloutStep([old[0]!, new Fake("new"), blocked], 2, "new")).toMatchObject({ drain: [] });
  });

  it("keeps as many replicas serving as were or should be, less one that drains, and adds at most one too many", () => {
    const serving = (all: Fake[]) => all.filter(({ isRoutable }) => isRoutable).length;
    fc.assert(
      fc.property(members, fc.nat(6), (before, target) => {
        const states = actAll(before, target);
        const makesWay = before.some(({ isBlocked }) => isBlocked) ? 1 : 0;
        for (const state of states) {
          expect(serving(state)).toBeGreaterThanOrEqual(Math.min(serving(before), target) - makesWay);
        }
        const live = (all: Fake[]) => all.filter(({ isDraining }) => !isDraining).length;
        expect(live(states.at(-1)!)).toBeLessThanOrEqual(Math.max(target + 1, live(before)));
      }),
    );
  });

  it("is repeated until the wanted number of replicas runs the wanted revision", () => {
    fc.assert(
      fc.property(members, fc.nat(6), (before, target) => {
        let all = before;
        for (let i = 0; i < 30; i++) {
          all = actAll(all, target)
            .at(-1)!
            .filter(({ isDraining }) => !isDraining);
          const starting = all.findIndex(({ isRoutable }) => !isRoutable);
          if (starting >= 0) all = all.with(starting, ready(all[starting]!.revision));
        }
        expect(all.map(({ revision, isRoutable }) => [revision, isRoutable])).toEqual(
          Array.from({ length: target }, () => ["new", true]),
        );
      }),
    );
  });
});
