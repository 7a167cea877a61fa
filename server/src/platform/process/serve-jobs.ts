import { Worker } from "node:worker_threads";

/** Indexes of the watchdog's shared state: whether a job runs, and a cell that never changes, to sleep on. */
const RUNNING = 0;

/**
 * Runs in a thread and kills the process when the running job has used more than its CPU time, or when the process's
 * parent is gone: a busy main thread would notice neither. While no job runs the thread sleeps.
 */
const WATCHDOG = `
  const { workerData: { state, cpuAtStart, cpuLimitMs } } = require("node:worker_threads");
  const parent = process.ppid;
  const kill = () => process.kill(process.pid, "SIGKILL");
  const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
  for (;;) {
    if (process.ppid !== parent) kill();
    if (Atomics.load(state, 0) === 0) Atomics.wait(state, 0, 0, 1000);
    else {
      Atomics.wait(state, 1, 0, 20);
      if (Atomics.load(state, 0) === 1 && cpuMs() - cpuAtStart[0] > cpuLimitMs) kill();
    }
  }
`;

/** The child's side of `JobProcess`: answers each job, in order, with the result of `handle`. */
export function serveJobs<Job, Result>(handle: (job: Job) => Result): void {
  const state = new Int32Array(new SharedArrayBuffer(8));
  const cpuAtStart = new Float64Array(new SharedArrayBuffer(8));
  const cpuLimitMs = Number(process.argv[2]);
  new Worker(WATCHDOG, { eval: true, workerData: { state, cpuAtStart, cpuLimitMs } }).unref();
  // Ctrl-C signals the whole process group, but the parent decides when its children end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  process.on("disconnect", () => process.exit());
  process.on("message", (job: Job) => {
    const { user, system } = process.cpuUsage();
    cpuAtStart[0] = (user + system) / 1000;
    Atomics.store(state, RUNNING, 1);
    Atomics.notify(state, RUNNING);
    const result = handle(job);
    Atomics.store(state, RUNNING, 0);
    process.send!(result);
  });
  process.send!("ready");
}
