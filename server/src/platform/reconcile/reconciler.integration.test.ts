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
  const worker = new Reconciler({
    database,
    clock,
    log,
    kind: "test",
    leaseMs: 30_000,
    random: () => 1,
    step,
    ...options,
  });
  open.push(worker);
  return worker;
}

const requestWork = (key: string, waitMs = 0): Promise<void> =>
  addWork(database.db, "test", [key], clock.now() + waitMs);
const remainingKeys = async (): Promise<string[]> =>
  (await database.sql`select key from work_items order by key`).map((row) => row["key"]);

/** Makes a step pause in `wait` until `pass` is called. `reached` settles when the step pauses. */
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
  it("run once for each due item, and completed items are deleted", async () => {
    const keys: string[] = [];
    const worker = reconciler(async ({ key }) => {
      keys.push(key);
      return null;
    });
    await Promise.all([requestWork("a"), requestWork("b"), requestWork("a"), requestWork("later", 1000)]);
    expect(await worker.tick()).toBe(2);
    expect(keys.sort()).toEqual(["a", "b"]);
    expect(await remainingKeys()).toEqual(["later"]);
    clock.advance(1000);
    expect(await worker.tick()).toBe(1);
    expect(await remainingKeys()).toEqual([]);
  });

  it("run again at the time that they return, and not before", async () => {
    let steps = 0;
    const worker = reconciler(async () => (++steps < 3 ? 5_000 : null));
    await requestWork("a");
    expect(await worker.tick()).toBe(1);
    clock.advance(4_999);
    expect(await worker.tick()).toBe(0);
    clock.advance(1);
    expect(await worker.tick()).toBe(1);
    clock.advance(5_000);
    expect(await worker.tick()).toBe(1);
    expect(await remainingKeys()).toEqual([]);
  });

  it("run at the earliest of all requested times", async () => {
    const worker = reconciler(async () => null);
    await requestWork("a", 60_000);
    await requestWork("a", 1_000);
    await requestWork("a", 90_000);
    clock.advance(1_000);
    expect(await worker.tick()).toBe(1);
    expect(await remainingKeys()).toEqual([]);
  });

  it("run again after a request that came during a step", async () => {
    const first = gate();
    let steps = 0;
    const worker = reconciler(async () => {
      if (++steps === 1) await first.wait();
      return null;
    });
    await requestWork("a");
    const ticking = worker.tick();
    await first.reached;
    await requestWork("a");
    first.pass();
    expect(await ticking).toBe(2);
    expect(await remainingKeys()).toEqual([]);
  });

  it("are retried after failures with growing, bounded delays, and a success resets the failures", async () => {
    const failures: number[] = [];
    const worker = reconciler(async (item) => {
      failures.push(item.failures);
      if (failures.length <= 9) throw new Error("no");
      return failures.length === 10 ? 0 : null;
    });
    await requestWork("a");
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
  it("never work on one item at the same time, and miss no item", async () => {
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
    expect(await remainingKeys()).toEqual([]);
  });

  it("take no work of another kind", async () => {
    const other = reconciler(async () => null, { kind: "other" });
    await requestWork("a");
    expect(await other.tick()).toBe(0);
  });

  it("repeat the step of a worker that died before recording it, once its lease has expired", async () => {
    const effects: string[] = [];
    const mortal = await openDatabase({ url: database.url, log: silentLog });
    const dying = reconciler(
      async () => {
        effects.push("first");
        // The worker is dead from here on: the step is done, but never recorded.
        await mortal.close();
        return null;
      },
      { database: mortal },
    );
    const heir = reconciler(async () => {
      effects.push("second");
      return null;
    });
    await requestWork("a");
    await dying.tick();
    expect(await remainingKeys()).toEqual(["a"]);
    clock.advance(29_999);
    expect(await heir.tick()).toBe(0);
    clock.advance(1);
    expect(await heir.tick()).toBe(1);
    expect(effects).toEqual(["first", "second"]);
    expect(await remainingKeys()).toEqual([]);
  });

  it("renew the lease of a long step while its worker lives", async () => {
    const long = gate();
    const worker = reconciler(async () => {
      await long.wait();
      return null;
    });
    const idle = reconciler(async () => null);
    await requestWork("a");
    const ticking = worker.tick();
    await long.reached;
    for (let i = 0; i < 12; i++) {
      clock.advance(10_000);
      await renewed();
      expect(await idle.tick()).toBe(0);
    }
    long.pass();
    await ticking;
    expect(await remainingKeys()).toEqual([]);
  });

  it("abort the step of a worker that lost its lease, and ignore its result", async () => {
    const started = gate();
    const sleeper = reconciler(async ({ signal }) => {
      void started.wait();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      return null;
    });
    const heir = reconciler(async () => 3_600_000);
    await requestWork("a");
    const ticking = sleeper.tick();
    await started.reached;
    // Simulates a worker that slept for longer than its lease.
    await database.sql`update work_items set lease_until = ${iso(0)}`;
    expect(await heir.tick()).toBe(1);
    clock.advance(10_000);
    expect(await ticking).toBe(1);
    expect(await remainingKeys()).toEqual(["a"]);
  });
});

const iso = (aheadMs: number): string => new Date(clock.now() + aheadMs).toISOString();

/** Waits for the renewal of the lease that the clock has triggered. */
async function renewed(): Promise<void> {
  for (;;) {
    const [row] = await database.sql`select lease_until > ${iso(20_000)} as ok from work_items`;
    if (row?.["ok"]) return;
  }
}

describe("a started worker", () => {
  it("is notified of new work, and continues by itself when work becomes due", async () => {
    const keys: string[] = [];
    let heard = (): void => {};
    const worker = reconciler(
      async ({ key }) => {
        keys.push(key);
        heard();
        return keys.length === 1 ? 20 : null;
      },
      { clock: systemClock },
    );
    await worker.start();
    const twice = new Promise<void>((resolve) => {
      heard = () => keys.length === 2 && resolve();
    });
    await addWork(database.db, "test", ["a"], systemClock.now());
    await twice;
    expect(keys).toEqual(["a", "a"]);
  });

  it("begins earlier work at once", async () => {
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

  it("releases unfinished work when it closes, so that another worker gets it at once", async () => {
    const started = gate();
    const worker = reconciler(async ({ signal }) => {
      void started.wait();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return null;
    });
    await requestWork("a");
    const ticking = worker.tick();
    await started.reached;
    await worker.close();
    await ticking;
    const heir = reconciler(async () => null);
    expect(await heir.tick()).toBe(1);
  });
});
