import { Worker } from "node:worker_threads";

/** Looks whether the parent is still there while the process itself is too busy to hear that it went. */
const WATCHDOG = `
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 1000);
`;

/** Makes this process one that `JobProcess` runs: answers each job, in order, with what `handle` makes of it. */
export function serveJobs<Job, Result>(handle: (job: Job) => Result): void {
  new Worker(WATCHDOG, { eval: true }).unref();
  // Ctrl-C reaches the whole process group; the parent says when its children end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  process.on("disconnect", () => process.exit());
  process.on("message", (job: Job) => process.send!(handle(job)));
  process.send!("ready");
}
