import { serveJobs } from "./serve-jobs.ts";

/** A job of the tests: uses CPU time, waits without using any, ends the process, or answers at once with a name. */
export interface FixtureJob {
  name: string;
  spins?: boolean;
  waitsMs?: number;
  exits?: boolean;
}

serveJobs(({ name, spins, waitsMs, exits }: FixtureJob): string => {
  while (spins === true);
  if (waitsMs !== undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitsMs);
  if (exits === true) process.exit(1);
  return name;
});
