import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LoraKey, LoraRoundRobin } from "./lora-round-robin.ts";

type Streams = ReadonlyMap<LoraKey, number>;

/** Plays batches of `batchMs`. Returns the LoRA of each, and whether it completed a rotation. */
function play(
  roundRobin: LoraRoundRobin,
  streams: Streams,
  batches: number,
  batchMs: (streams: number) => number,
) {
  return Array.from({ length: batches }, () => {
    const lora = roundRobin.next(streams);
    return { lora, rotated: roundRobin.recordBatch(streams, batchMs(streams.get(lora)!)) };
  });
}

/** The lengths of the turns, in batches. */
function turnLengths(played: readonly { lora: LoraKey }[]): number[] {
  const result: number[] = [];
  played.forEach(({ lora }, i) => {
    if (i > 0 && played[i - 1]!.lora === lora) result[result.length - 1]!++;
    else result.push(1);
  });
  return result;
}

describe("the round-robin of LoRAs", () => {
  it("completes a rotation with every batch when there is one LoRA", () => {
    const played = play(new LoraRoundRobin(320), new Map([[null, 5]]), 20, () => 10);
    expect(played.every(({ rotated }) => rotated)).toBe(true);
  });

  it("fits one turn of every LoRA into the rotation's time", () => {
    const streams = new Map([1, 2, 3, 4].map((lora) => [lora, 1]));
    const played = play(new LoraRoundRobin(320), streams, 40, () => 16);
    expect(turnLengths(played)).toEqual(new Array(8).fill(5));
    expect(played.flatMap(({ rotated }, i) => (rotated ? [i] : []))).toEqual([19, 39]);
  });

  it("gives a turn at most 8 batches, however quick they are", () => {
    const streams = new Map([1, 2].map((lora) => [lora, 1]));
    expect(turnLengths(play(new LoraRoundRobin(320), streams, 32, () => 0))).toEqual(new Array(4).fill(8));
  });

  it("gives every LoRA one batch when a batch takes longer than its turn", () => {
    const streams = new Map([1, 2, 3].map((lora) => [lora, 2]));
    expect(turnLengths(play(new LoraRoundRobin(320), streams, 30, () => 400))).toEqual(new Array(30).fill(1));
  });

  it("advances all streams at about the same rate, however many share a LoRA", () => {
    const streams: Streams = new Map([
      [null, 7],
      [1, 1],
    ]);
    // A batch of seven takes as long as five of one.
    const played = play(new LoraRoundRobin(320), streams, 1_000, (count) => (count === 7 ? 50 : 10));
    const batches = played.filter(({ lora }) => lora === null).length;
    expect(batches / (1_000 - batches)).toBeGreaterThan(0.7);
    expect(batches / (1_000 - batches)).toBeLessThan(2);
  });

  it("starves no LoRA: each that stays waits at most two rotations, whichever others come and go", () => {
    const present = fc.uniqueArray(fc.constantFrom<LoraKey>(null, 1, 2, 3, 4), { minLength: 1 });
    const step = fc.record({ present, ms: fc.constantFrom(1, 30, 200) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const roundRobin = new LoraRoundRobin(100);
        /** Present LoRAs that wait → turns of others since their own. */
        const waited = new Map<LoraKey, number>();
        let before: LoraKey | undefined;
        for (const { present, ms } of steps) {
          const streams = new Map(present.map((lora) => [lora, 1]));
          const lora = roundRobin.next(streams);
          const rotated = roundRobin.recordBatch(streams, ms);
          expect(present).toContain(lora);
          if (present.length === 1) expect(rotated).toBe(true);
          for (const other of waited.keys()) if (!streams.has(other)) waited.delete(other);
          for (const other of present) {
            const others = (waited.get(other) ?? 0) + (lora === before ? 0 : 1);
            waited.set(other, other === lora ? 0 : others);
            expect(others).toBeLessThanOrEqual(2 * 4);
          }
          before = lora;
        }
      }),
    );
  });
});
