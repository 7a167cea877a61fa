import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pickReplicaForSession, type ReplicaLoad } from "./session-affinity.ts";

const replicas = (count: number, load = 0): ReplicaLoad[] =>
  Array.from({ length: count }, (_, i) => ({ id: `d/replicas/${i}`, load }));
const count = fc.integer({ min: 1, max: 16 });
const keys = Array.from({ length: 2000 }, (_, i) => `user-${i}`);

describe("a session", () => {
  it("stays with its replica while the set of replicas is the same, in whatever order", () => {
    fc.assert(
      fc.property(fc.string(), count, fc.infiniteStream(fc.nat(8)), (key, n, loads) => {
        const all = replicas(n);
        const mine = pickReplicaForSession(all, key, 8).id;
        const busy = all.map((replica) => ({ ...replica, load: loads.next().value! % 8 }));
        expect(pickReplicaForSession(busy, key, 8).id).toBe(mine);
        expect(pickReplicaForSession(busy.reverse(), key, 8).id).toBe(mine);
      }),
    );
  });

  it("moves only to a replica that was added, or away from one that is gone", () => {
    for (const n of [1, 2, 3, 7]) {
      const all = replicas(n + 1);
      const before = keys.map((key) => pickReplicaForSession(all.slice(0, n), key, 8).id);
      const after = keys.map((key) => pickReplicaForSession(all, key, 8).id);
      const moved = after.filter((id, i) => id !== before[i]);
      expect(new Set(moved)).toEqual(new Set([`d/replicas/${n}`]));
      expect(moved.length / keys.length).toBeLessThan(1.5 / (n + 1));
    }
  });

  it("shares its replica with about as many other sessions as on every replica", () => {
    const shares = new Map<string, number>();
    for (const key of keys) {
      const { id } = pickReplicaForSession(replicas(4), key, 8);
      shares.set(id, (shares.get(id) ?? 0) + 1);
    }
    for (const share of shares.values()) expect(Math.abs(share - 500)).toBeLessThan(125);
  });

  it("never overloads its replica: requests beyond its capacity go elsewhere", () => {
    fc.assert(
      fc.property(fc.string(), count, fc.integer({ min: 1, max: 200 }), (key, n, requests) => {
        const all = replicas(n).map((replica) => ({ ...replica }));
        for (let i = 0; i < requests; i++) pickReplicaForSession(all, key, 8).load++;
        const most = Math.max(...all.map(({ load }) => load));
        expect(most).toBeLessThanOrEqual(Math.max(8, Math.ceil((1.25 * requests) / n)));
      }),
    );
  });
});
