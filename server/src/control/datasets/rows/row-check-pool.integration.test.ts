import { expect, test } from "vitest";
import { systemClock } from "../../../lib/clock.ts";
import { JobLimitError } from "../../../platform/process/job-process.ts";
import { chunkJob, MAX_RUNNING, MAX_WAITING, RowCheckPool } from "./row-check-pool.ts";

const row = JSON.stringify({ messages: [{ role: "user", content: "a" }] });

test("the pool checks rows and returns those that pass a filter as lines", async () => {
  const checks = new RowCheckPool(systemClock);
  const responses = await checks.run(async (check) => [
    await check({ kind: "begin", format: null, filter: "n > 1" }),
    await check({ kind: "file", name: "a.jsonl" }),
    await check(chunkJob(Buffer.from(`{"n":1,${row.slice(1)}\n{"n":2,${row.slice(1)}`))),
    await check({ kind: "finish" }),
  ]);
  expect(responses.map(({ passedLines }) => Buffer.from(passedLines).toString()).join("")).toBe(
    `{"n":2,${row.slice(1)}\n`,
  );
  expect(responses.at(-1)!.report).toMatchObject({ faults: [], exampleCount: 1, format: "RL" });
});

test("a chunk of a larger buffer is sent without the rest of the buffer", () => {
  const job = chunkJob(Buffer.alloc(1_000).subarray(10, 20));
  expect(job.kind === "chunk" && job.bytes.buffer.byteLength).toBe(10);
});

test("the pool refuses work beyond its running and waiting limits", async () => {
  const checks = new RowCheckPool(systemClock);
  let running = 0;
  let maxRunning = 0;
  let open: () => void = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const work = async (): Promise<void> => {
    maxRunning = Math.max(maxRunning, ++running);
    await gate;
    running--;
  };
  const accepted = Array.from({ length: MAX_RUNNING + MAX_WAITING }, () => checks.run(work));
  await expect(checks.run(work)).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterS: 10 });
  open();
  await Promise.all(accepted);
  expect(maxRunning).toBe(MAX_RUNNING);
});

test("rows that take too much memory or time are refused as a bad request, and free their slot", async () => {
  const checks = new RowCheckPool(systemClock);
  for (let i = 0; i <= MAX_RUNNING; i++) {
    const tooMuch = checks.run(() => Promise.reject(new JobLimitError()));
    await expect(tooMuch).rejects.toMatchObject({ code: "BAD_REQUEST" });
  }
  expect(await checks.run(async () => "done")).toBe("done");
});

test("closing the pool fails running and waiting work", async () => {
  const checks = new RowCheckPool(systemClock);
  const work = checks.run(async (check) => {
    for (;;) await check({ kind: "begin", format: null, filter: null });
  });
  const all = [
    work,
    ...Array.from({ length: MAX_RUNNING }, () => checks.run((check) => check({ kind: "finish" }))),
  ];
  const ends = Promise.allSettled(all);
  await checks.close();
  expect((await ends)[0]).toMatchObject({ status: "rejected", reason: { code: "UNAVAILABLE" } });
  await expect(checks.run(async () => {})).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
