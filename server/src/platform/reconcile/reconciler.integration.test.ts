import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentLog, type TestDatabase, testDatabase } from "../../../test/harness/database.ts";
import { FakeClock, systemClock } from "../../lib/clock.ts";
import { openDatabase } from "../db/database.ts";
import { createLog } from "../telemetry/log.ts";
import { addWork, Reconciler, type ReconcilerOptions, type WorkItem } from "./reconciler.ts";

let database: TestDatabase;
let clock: FakeClock;
const open: Reconciler[] = [];

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  clock = new FakeClock();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  await database.sql`delete from work_items`;
});

function reconciler(
  step: (item: WorkItem) => Promise<number | null>,
  options: Partial<ReconcilerOptions> = {},
): Reconciler {
  const log = createLog("silent");
  const made = new Reconciler({
    database,
    clock,
    log,
    kind: "test",
    leaseMs: 30_000,
    random: () => 1,
    step,
    ...options,
  });
  open.push(made);
  return made;
}

const ask = (key: string, waitMs = 0): Promise<void> =>
  addWork(database.db, "test", [key], clock.now() + waitMs);
const left = async (): Promise<string[]> =>
  (await database.sql`select key from work_items order by key`).map((row) => row["key"]);

/** A step that stops in the middle until it is let go on. */
function gate(): { reached: Promise<void>; pass(): void; wait(): Promise<void> } {
  let pass = (): void => {};
  let reach = (): void => {};
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return {
    reached,
    pass: () => pass(),
    wait: () => {
      reach();
      return passed;
    },
  };
}

describe("steps", () => {
  it("are taken once for what is due, and what is done is forgotten", async () => {
    const seen: string[] = [];
    const worker = reconciler(async ({ key }) => {
      seen.push(key);
      return null;
    });
    await Promise.all([ask("a"), ask("b"), ask("a"), ask("later", 1000)]);
    expect(await worker.tick()).toBe(2);
    expect(seen.sort()).toEqual(["a", "b"]);
    expect(await left()).toEqual(["later"]);
    clock.advance(1000);
    expect(await worker.tick()).toBe(1);
    expect(await left()).toEqual([]);
  });

  it("come again when they ask for it, at their time and not before", async () => {
    let steps = 0;
    const worker = reconciler(async () => (++steps < 3 ? 5_000 : null));
    await ask("a");
    expect(await worker.tick()).toBe(1);
    clock.advance(4_999);
    expect(await worker.tick()).toBe(0);
    clock.advance(1);
    expect(await worker.tick()).toBe(1);
    clock.advance(5_000);
    expect(await worker.tick()).toBe(1);
    expect(await left()).toEqual([]);
  });

  it("an earlier request brings a later one forward, never the other way round", async () => {
    const worker = reconciler(async () => null);
    await ask("a", 60_000);
    await ask("a", 1_000);
    await ask("a", 90_000);
    clock.advance(1_000);
    expect(await worker.tick()).toBe(1);
    expect(await left()).toEqual([]);
  });

  it("what is asked for during a step is looked at after it", async () => {
    const first = gate();
    let steps = 0;
    const worker = reconciler(async () => {
      if (++steps === 1) await first.wait();
      return null;
    });
    await ask("a");
    const ticking = worker.tick();
    await first.reached;
    await ask("a");
    first.pass();
    expect(await ticking).toBe(2);
    expect(await left()).toEqual([]);
  });

  it("a step that fails is taken again after growing, capped waits, and a success forgets the failures", async () => {
    const failures: number[] = [];
    const worker = reconciler(async (item) => {
      failures.push(item.failures);
      if (failures.length <= 9) throw new Error("no");
      return failures.length === 10 ? 0 : null;
    });
    await ask("a");
    await worker.tick();
    for (const waitMs of [1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1_000)) {
      clock.advance(waitMs - 1);
      expect(await worker.tick()).toBe(0);
      clock.advance(1);
      expect(await worker.tick()).toBe(1);
    }
    clock.advance(60_000);
    expect(await worker.tick()).toBe(2);
    expect(failures).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
  });
});

describe("several workers", () => {
  it("never work on one item at the same time, and leave none out", async () => {
    const busy = new Set<string>();
    const counts = new Map<string, number>();
    const step = async ({ key }: WorkItem): Promise<number | null> => {
      expect(busy.has(key)).toBe(false);
      busy.add(key);
      await database.sql`select pg_sleep(0.001)`;
      busy.delete(key);
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return count < 3 ? 0 : null;
    };
    const workers = [reconciler(step), reconciler(step), reconciler(step, { concurrency: 1 })];
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    await addWork(database.db, "test", keys, clock.now());
    await Promise.all(workers.map((worker) => worker.tick()));
    await Promise.all(workers.map((worker) => worker.tick()));
    expect([...counts.values()]).toEqual(keys.map(() => 3));
    expect(await left()).toEqual([]);
  });

  it("take no other kind's work", async () => {
    const other = reconciler(async () => null, { kind: "other" });
    await ask("a");
    expect(await other.tick()).toBe(0);
  });

  it("a worker that dies between the step and the note of it leaves the step to another, after its lease", async () => {
    const effects: string[] = [];
    const mortal = await openDatabase({ url: database.url, log: silentLog });
    const dying = reconciler(
      async () => {
        effects.push("first");
        // Dead from here on: what it did is done, what it would note is not.
        await mortal.close();
        return null;
      },
      { database: mortal },
    );
    const heir = reconciler(async () => {
      effects.push("second");
      return null;
    });
    await ask("a");
    await dying.tick();
    expect(await left()).toEqual(["a"]);
    clock.advance(29_999);
    expect(await heir.tick()).toBe(0);
    clock.advance(1);
    expect(await heir.tick()).toBe(1);
    expect(effects).toEqual(["first", "second"]);
    expect(await left()).toEqual([]);
  });

  it("a long step keeps its lease as long as its worker lives", async () => {
    const long = gate();
    const worker = reconciler(async () => {
      await long.wait();
      return null;
    });
    const idle = reconciler(async () => null);
    await ask("a");
    const ticking = worker.tick();
    await long.reached;
    for (let i = 0; i < 12; i++) {
      clock.advance(10_000);
      await renewed();
      expect(await idle.tick()).toBe(0);
    }
    long.pass();
    await ticking;
    expect(await left()).toEqual([]);
  });

  it("a worker that was taken for dead is told, and its note changes nothing", async () => {
    const started = gate();
    const sleeper = reconciler(async ({ signal }) => {
      void started.wait();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      return null;
    });
    const heir = reconciler(async () => 3_600_000);
    await ask("a");
    const ticking = sleeper.tick();
    await started.reached;
    // As if it had slept for longer than its lease.
    await database.sql`update work_items set lease_until = ${iso(0)}`;
    expect(await heir.tick()).toBe(1);
    clock.advance(10_000);
    expect(await ticking).toBe(1);
    expect(await left()).toEqual(["a"]);
  });
});

const iso = (aheadMs: number): string => new Date(clock.now() + aheadMs).toISOString();

/** Waits for the heartbeat that the clock has set off. */
async function renewed(): Promise<void> {
  for (;;) {
    const [row] = await database.sql`select lease_until > ${iso(20_000)} as ok from work_items`;
    if (row?.["ok"]) return;
  }
}

describe("a started worker", () => {
  it("hears of new work, and comes back by itself when work becomes due", async () => {
    const seen: string[] = [];
    let heard = (): void => {};
    const worker = reconciler(
      async ({ key }) => {
        seen.push(key);
        heard();
        return seen.length === 1 ? 20 : null;
      },
      { clock: systemClock },
    );
    await worker.start();
    const twice = new Promise<void>((resolve) => {
      heard = () => seen.length === 2 && resolve();
    });
    await addWork(database.db, "test", ["a"], systemClock.now());
    await twice;
    expect(seen).toEqual(["a", "a"]);
  });

  it("work that waits from before is begun at once", async () => {
    await addWork(database.db, "test", ["a"], systemClock.now());
    let done = (): void => {};
    const worked = new Promise<void>((resolve) => {
      done = resolve;
    });
    const worker = reconciler(
      async () => {
        done();
        return null;
      },
      { clock: systemClock },
    );
    await worker.start();
    await worked;
  });

  it("gives back unfinished work when it closes, and another has it at once", async () => {
    const started = gate();
    const worker = reconciler(async ({ signal }) => {
      void started.wait();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return null;
    });
    await ask("a");
    const ticking = worker.tick();
    await started.reached;
    await worker.close();
    await ticking;
    const heir = reconciler(async () => null);
    expect(await heir.tick()).toBe(1);
  });
});
