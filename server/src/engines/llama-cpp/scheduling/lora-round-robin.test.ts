import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LoraKey, LoraRoundRobin } from "./lora-round-robin.ts";

type Streams = ReadonlyMap<LoraKey, number>;

/** Each batch takes as long as `batchMs` says. Gives whose they were, and where each had had their turn. */
function play(
  turns: LoraRoundRobin,
  streams: Streams,
  batches: number,
  batchMs: (streams: number) => number,
) {
  return Array.from({ length: batches }, () => {
    const adapter = turns.next(streams);
    return { adapter, last: turns.recordBatch(streams, batchMs(streams.get(adapter)!)) };
  });
}

/** How long the turns were, in batches. */
function lengths(played: readonly { adapter: LoraKey }[]): number[] {
  const result: number[] = [];
  played.forEach(({ adapter }, i) => {
    if (i > 0 && played[i - 1]!.adapter === adapter) result[result.length - 1]!++;
    else result.push(1);
  });
  return result;
}

describe("the turns of adapters", () => {
  it("are no matter where there is one: after every batch it is the others' turn", () => {
    const played = play(new LoraRoundRobin(320), new Map([[null, 5]]), 20, () => 10);
    expect(played.every(({ last }) => last)).toBe(true);
  });

  it("take the rotation's time together", () => {
    const streams = new Map([1, 2, 3, 4].map((adapter) => [adapter, 1]));
    const played = play(new LoraRoundRobin(320), streams, 40, () => 16);
    expect(lengths(played)).toEqual(new Array(8).fill(5));
    expect(played.flatMap(({ last }, i) => (last ? [i] : []))).toEqual([19, 39]);
  });

  it("are of no more than some batches, however quick those are", () => {
    const streams = new Map([1, 2].map((adapter) => [adapter, 1]));
    expect(lengths(play(new LoraRoundRobin(320), streams, 32, () => 0))).toEqual(new Array(4).fill(8));
  });

  it("are of one batch each where that takes longer", () => {
    const streams = new Map([1, 2, 3].map((adapter) => [adapter, 2]));
    expect(lengths(play(new LoraRoundRobin(320), streams, 30, () => 400))).toEqual(new Array(30).fill(1));
  });

  it("let all streams advance at about the same rate, however many share an adapter", () => {
    const streams: Streams = new Map([
      [null, 7],
      [1, 1],
    ]);
    // A batch of seven takes as long as five of one.
    const played = play(new LoraRoundRobin(320), streams, 1_000, (count) => (count === 7 ? 50 : 10));
    const batches = played.filter(({ adapter }) => adapter === null).length;
    expect(batches / (1_000 - batches)).toBeGreaterThan(0.7);
    expect(batches / (1_000 - batches)).toBeLessThan(2);
  });

  it("come round: none has a second before each that is there has had one, whoever comes and goes", () => {
    const present = fc.uniqueArray(fc.constantFrom<LoraKey>(null, 1, 2, 3, 4), { minLength: 1 });
    const step = fc.record({ present, ms: fc.constantFrom(1, 30, 200) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const turns = new LoraRoundRobin(100);
        /** Of those who are there and wait: how many turns the others had since. */
        const waited = new Map<LoraKey, number>();
        let before: LoraKey | undefined;
        for (const { present, ms } of steps) {
          const streams = new Map(present.map((adapter) => [adapter, 1]));
          const adapter = turns.next(streams);
          const last = turns.recordBatch(streams, ms);
          expect(present).toContain(adapter);
          if (present.length === 1) expect(last).toBe(true);
          for (const other of waited.keys()) if (!streams.has(other)) waited.delete(other);
          for (const other of present) {
            const others = (waited.get(other) ?? 0) + (adapter === before ? 0 : 1);
            waited.set(other, other === adapter ? 0 : others);
            expect(others).toBeLessThanOrEqual(2 * 4);
          }
          before = adapter;
        }
      }),
    );
  });
});
