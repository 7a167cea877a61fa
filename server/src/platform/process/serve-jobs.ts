import { Worker } from "node:worker_threads";

/**
 * Runs in a thread and kills the process when its parent is gone; a busy main thread would not notice the disconnect.
 */
const WATCHDOG = `
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL"); }, 1000);
`;

/** The child's side of `JobProcess`: answers each job, in order, with the result of `handle`. */
export function serveJobs<Job, Result>(handle: (job: Job) => Result): void {
  new Worker(WATCHDOG, { eval: true }).unref();
  // Ctrl-C signals the whole process group, but the parent decides when its children end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  process.on("disconnect", () => process.exit());
  process.on("message", (job: Job) => process.send!(handle(job)));
  process.send!("ready");
}
