import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Adapter, Turns } from "./turns.ts";

/** Rounds are computed in `roundMs`, the first of each turn in `changeMs` more. Gives whose they were. */
function play(turns: Turns, adapters: readonly Adapter[], rounds: number, roundMs: number, changeMs: number) {
  return Array.from({ length: rounds }, () => {
    const { adapter, last } = turns.next(adapters);
    const changed = turns.use(adapter);
    turns.record(1, changed, roundMs + (changed ? changeMs : 0));
    return { adapter, last };
  });
}

/** Lengths of the runs of one adapter. */
function lengths(played: readonly { adapter: Adapter }[]): number[] {
  const result: number[] = [];
  played.forEach(({ adapter }, i) => {
    if (i > 0 && played[i - 1]!.adapter === adapter) result[result.length - 1]!++;
    else result.push(1);
  });
  return result;
}

describe("the turns of adapters", () => {
  it("are no matter where there is one: every round is the last of all", () => {
    const played = play(new Turns(320), [null], 20, 10, 0);
    expect(played.every(({ last }) => last)).toBe(true);
  });

  it("are as long as it takes for changes to cost little", () => {
    expect(lengths(play(new Turns(10_000), [1, 2], 200, 10, 8)).at(-2)).toBe(8);
    expect(lengths(play(new Turns(10_000), [1, 2], 200, 100, 8)).at(-2)).toBe(1);
  });

  it("are shorter where the others would wait too long, but never nothing", () => {
    const adapters = [1, 2, 3, 4, 5, 6, 7, 8];
    expect(lengths(play(new Turns(320), adapters, 200, 10, 8)).at(-2)).toBe(3);
    expect(lengths(play(new Turns(320), adapters, 200, 300, 8)).at(-2)).toBe(1);
  });

  it("get over one measurement that was far off", () => {
    const turns = new Turns(320);
    play(turns, [1, 2], 2, 10, 5_000);
    expect(turns.rounds(2)).toBe(1);
    expect(lengths(play(turns, [1, 2], 200, 10, 8)).at(-2)).toBeGreaterThan(4);
  });

  it("come round: none has a second before each that is there has had one, whoever comes and goes", () => {
    const present = fc.uniqueArray(fc.constantFrom<Adapter>(null, 1, 2, 3, 4), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(present, { minLength: 1, maxLength: 60 }), fc.nat(20), (steps, changeMs) => {
        const turns = new Turns(100);
        /** Rounds each has waited since it came or had one. */
        const waited = new Map<Adapter, number>();
        let longest = 0;
        for (const adapters of steps) {
          longest = Math.max(longest, turns.rounds(adapters.length));
          const { adapter, last } = turns.next(adapters);
          turns.record(1, turns.use(adapter), 10 + changeMs);
          expect(adapters).toContain(adapter);
          for (const other of waited.keys()) if (!adapters.includes(other)) waited.delete(other);
          for (const other of adapters) waited.set(other, (waited.get(other) ?? 0) + 1);
          waited.set(adapter, 0);
          // Two turns of each of the others, of the longest there may be.
          for (const rounds of waited.values()) expect(rounds).toBeLessThanOrEqual(2 * 4 * longest);
          if (adapters.length === 1) expect(last).toBe(true);
        }
      }),
    );
  });
});
