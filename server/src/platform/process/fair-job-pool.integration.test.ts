import { afterEach, describe, expect, test } from "vitest";
import { FakeClock, systemClock } from "../../lib/clock.ts";
import { FairJobPool, type FairJobPoolOptions } from "./fair-job-pool.ts";
import type { FixtureJob } from "./fixture-worker.ts";
import { JobLimitError } from "./job-process.ts";

const open: FairJobPool<FixtureJob, string>[] = [];

function poolWith(options: Partial<FairJobPoolOptions>): FairJobPool<FixtureJob, string> {
  const pool = new FairJobPool<FixtureJob, string>({
    clock: systemClock,
    entry: new URL("./fixture-worker.ts", import.meta.url),
    work: "Jobs are done",
    cpuLimitMs: 20_000,
    processes: 2,
    maxQueuedPerClient: 10,
    maxQueued: 15,
    ...options,
  });
  open.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()));
});

describe("a pool of job processes", () => {
  test("refuses a job that uses more than its CPU time, and does the jobs that wait behind it", async () => {
    const pool = poolWith({ processes: 1, cpuLimitMs: 300 });
    const endless = pool.run("a", { name: "endless", spins: true });
    const waiting = [pool.run("a", { name: "next" }), pool.run("b", { name: "other" })];
    await expect(endless).rejects.toBeInstanceOf(JobLimitError);
    expect(await Promise.all(waiting)).toEqual(["next", "other"]);
  });

  test("does not count the time in which a job's process does not run", async () => {
    const pool = poolWith({ processes: 1, cpuLimitMs: 300 });
    expect(await pool.run("a", { name: "slow", waitsMs: 1_500 })).toBe("slow");
  });

  test("fails the job whose process dies and no other", async () => {
    const pool = poolWith({ processes: 1 });
    const dying = pool.run("a", { name: "dying", exits: true });
    const waiting = pool.run("a", { name: "waiting" });
    await expect(dying).rejects.toBeInstanceOf(JobLimitError);
    expect(await waiting).toBe("waiting");
  });

  test("calls a process that hangs unavailable, not the job too costly", async () => {
    const clock = new FakeClock();
    const pool = poolWith({ processes: 1, cpuLimitMs: 1_000, clock });
    await pool.run("a", { name: "first" });
    const hanging = pool.run("a", { name: "hanging", waitsMs: 600_000 });
    clock.advance(60_000);
    await expect(hanging).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await pool.run("a", { name: "later" })).toBe("later");
  });

  test("keeps a process free of the jobs of one client, so that another client is served", async () => {
    const pool = poolWith({ processes: 2 });
    const costly = Array.from({ length: 10 }, (_, i) =>
      pool.run("a", { name: `costly ${i}`, waitsMs: 600_000 }),
    );
    const ends = Promise.allSettled(costly);
    expect(await pool.run("b", { name: "b" })).toBe("b");
    await pool.close();
    for (const end of await ends) expect(end).toMatchObject({ status: "rejected" });
  });

  test("takes turns among the clients", async () => {
    const pool = poolWith({ processes: 1 });
    const done: string[] = [];
    const run = async (client: string, name: string): Promise<void> => {
      done.push(await pool.run(client, { name }));
    };
    await Promise.all([
      ...[1, 2, 3, 4, 5].map((i) => run("a", `a${i}`)),
      ...[1, 2].map((i) => run("b", `b${i}`)),
      run("c", "c1"),
    ]);
    expect(done).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", "a4", "a5"]);
  });

  test("refuses jobs beyond the limits of a client and of the pool", async () => {
    const pool = poolWith({ processes: 1, maxQueuedPerClient: 2, maxQueued: 3 });
    const results = await Promise.allSettled(
      ["a", "a", "a", "a", "b", "b"].map((client, i) => pool.run(client, { name: String(i) })),
    );
    // One of a runs, two wait; one of b waits.
    expect(results.map((result) => result.status === "fulfilled")).toEqual([
      true,
      true,
      true,
      false,
      true,
      false,
    ]);
    expect(results[3]).toMatchObject({ reason: { code: "UNAVAILABLE" } });
  });

  test("fails waiting jobs when no process can be started", async () => {
    const pool = poolWith({ entry: new URL("./no-such-worker.ts", import.meta.url) });
    await expect(pool.run("a", { name: "a" })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});
