import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFakeEngine } from "../../engine/fake-engine.ts";
import { Router } from "./router.ts";

const POLICY = { slots: 8, sessionAffinity: false };
const replicas = (...loads: number[]) =>
  loads.map((load, i) => ({ id: `d/replicas/${i}`, load, engine: createFakeEngine() }));
const prompt = (start: string) => start.padEnd(1000, start);

describe("a request without a hint", () => {
  it("goes to the least busy replica", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), (loads) => {
        expect(new Router().pick(replicas(...loads), {}, POLICY).load).toBe(Math.min(...loads));
      }),
    );
  });

  it("goes to equally busy replicas in turn", () => {
    const router = new Router();
    const all = replicas(1, 1, 1);
    const picked = Array.from({ length: 6 }, () => router.pick(all, {}, POLICY).id);
    expect(new Set(picked.slice(0, 3)).size).toBe(3);
    expect(picked.slice(3)).toEqual(picked.slice(0, 3));
  });
});

describe("a session key", () => {
  it("decides only on deployments with session affinity", () => {
    const router = new Router();
    const picks = (sessionAffinity: boolean) =>
      new Set(
        Array.from(
          { length: 6 },
          () => router.pick(replicas(0, 0, 0), { sessionKey: "k" }, { ...POLICY, sessionAffinity }).id,
        ),
      ).size;
    expect(picks(true)).toBe(1);
    expect(picks(false)).toBe(3);
  });
});

describe("a prompt prefix", () => {
  it("leads a request to the replica that has cached it, and other requests elsewhere", () => {
    const router = new Router();
    const all = replicas(0, 0, 0);
    const first = router.pick(all, { promptPrefix: prompt("a") }, POLICY);
    for (let i = 0; i < 5; i++) {
      router.pick(all, { promptPrefix: prompt(`other ${i}`) }, POLICY);
      expect(router.pick(all, { promptPrefix: prompt("a") }, POLICY)).toBe(first);
    }
  });

  it("decides for the replica that has cached more of it", () => {
    const router = new Router();
    const all = replicas(0, 0);
    const [short, long] = [prompt("a"), prompt("a") + prompt("b")];
    const first = router.pick(all, { promptPrefix: short }, POLICY);
    // The first replica is too busy, so the other one gets the longer prompt and has cached all of it from then on.
    first.load = 5;
    const second = router.pick(all, { promptPrefix: long }, POLICY);
    expect(second).not.toBe(first);
    first.load = 0;
    expect(router.pick(all, { promptPrefix: long }, POLICY)).toBe(second);
  });

  it("doesn't lead a request to a replica that is much busier", () => {
    const router = new Router();
    const all = replicas(0, 0);
    const first = router.pick(all, { promptPrefix: prompt("a") }, POLICY);
    first.load = 4;
    expect(router.pick(all, { promptPrefix: prompt("a") }, POLICY)).toBe(first);
    first.load = 5;
    expect(router.pick(all, { promptPrefix: prompt("a") }, POLICY)).not.toBe(first);
  });

  it("is forgotten when its replica's engine ends, and is separate for each LoRA", () => {
    const router = new Router();
    const all = replicas(0, 0);
    const hints = { promptPrefix: prompt("a") };
    const first = router.pick(all, hints, POLICY);
    const other = all.find((replica) => replica !== first)!;
    first.load = 1;
    expect(router.pick(all, { ...hints, lora: "lora" }, POLICY)).toBe(other);
    first.engine = createFakeEngine();
    first.load = 0;
    other.load = 1;
    expect(router.pick(all, hints, POLICY)).toBe(first);
  });
});
