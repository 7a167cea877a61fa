import { describe, expect, it } from "vitest";
import { FakeClock } from "../lib/clock.ts";
import { watchHealth } from "./health-watch.ts";
import type { ProcessUse } from "./launchers/process-use.ts";

const INTERVAL_MS = 10_000;

/** An engine that is checked every 10 seconds and counts as unhealthy after 3 misses. */
function setUp() {
  const clock = new FakeClock();
  const engine = { isAnswering: true, hasProgressed: false, use: null as ProcessUse | null };
  const late: (() => void)[] = [];
  const changes: boolean[] = [];
  const stop = watchHealth({
    clock,
    intervalMs: INTERVAL_MS,
    maxMisses: 3,
    check: () => (engine.isAnswering ? Promise.resolve() : new Promise((resolve) => late.push(resolve))),
    hasProgressed: () => engine.hasProgressed,
    readUse: () => engine.use && { ...engine.use },
    onChange: (isHealthy) => changes.push(isHealthy),
  });
  return {
    engine,
    late,
    changes,
    stop,
    async pass(intervals: number, each = () => {}) {
      for (let i = 0; i < intervals; i++) {
        each();
        clock.advance(INTERVAL_MS);
        for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      }
    },
  };
}

describe("an engine", () => {
  it("that answers is never unhealthy, and one that stops answering is after three misses, once", async () => {
    const { engine, changes, pass } = setUp();
    await pass(20);
    engine.isAnswering = false;
    await pass(3);
    expect(changes).toEqual([]);
    await pass(1);
    expect(changes).toEqual([false]);
    await pass(20);
    expect(changes).toEqual([false]);
    engine.isAnswering = true;
    await pass(1);
    expect(changes).toEqual([false, true]);
  });

  it("that answers late is healthy", async () => {
    const { engine, late, changes, pass } = setUp();
    engine.isAnswering = false;
    for (let i = 0; i < 10; i++) {
      await pass(2);
      late.shift()!();
      await pass(0);
      await Promise.resolve();
    }
    expect(changes).toEqual([]);
  });

  it("that delivers output is healthy without an answer", async () => {
    const { engine, changes, pass } = setUp();
    engine.isAnswering = false;
    engine.hasProgressed = true;
    await pass(20);
    expect(changes).toEqual([]);
    engine.hasProgressed = false;
    await pass(3);
    expect(changes).toEqual([false]);
  });

  it.each<[string, Partial<ProcessUse>]>([
    ["gets little processor time", { cpuMs: 500 }],
    ["waits for its memory to be read from disk", { majorFaults: 1 }],
  ])("that %s is given ten times as long, not for ever", async (_why, more) => {
    const { engine, changes, pass } = setUp();
    const use = { cpuMs: 1_000, majorFaults: 0 };
    engine.use = use;
    engine.isAnswering = false;
    const work = () => {
      use.cpuMs += more.cpuMs ?? 0;
      use.majorFaults += more.majorFaults ?? 0;
    };
    await pass(30, work);
    expect(changes).toEqual([]);
    await pass(1, work);
    expect(changes).toEqual([false]);
  });

  it.each<[string, number]>([
    ["waits for something that never comes", 0],
    ["computes all the time, as in an endless loop", INTERVAL_MS * 2],
  ])("that %s is given no more time", async (_why, cpuMs) => {
    const { engine, changes, pass } = setUp();
    const use = { cpuMs: 0, majorFaults: 0 };
    engine.use = use;
    engine.isAnswering = false;
    await pass(4, () => {
      use.cpuMs += cpuMs;
    });
    expect(changes).toEqual([false]);
  });

  it("is not reported on after the watch has stopped", async () => {
    const { engine, changes, stop, pass } = setUp();
    engine.isAnswering = false;
    stop();
    await pass(20);
    expect(changes).toEqual([]);
  });
});
