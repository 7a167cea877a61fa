import { systemClock } from "../lib/clock.ts";
import { JobLimitError, JobProcess } from "../platform/process/job-process.ts";
import { type InstanceJob, runInstanceJob } from "./instance-job.ts";

const CPU_LIMIT_MS = 2_000;
const MAX_QUEUED = 256;

/** Shorter checks without these keywords run in this process, as a message to another one takes longer. */
const INLINE_LENGTH = 4_000;
const COSTLY_KEYWORDS = /"(?:pattern|patternProperties|format|uniqueItems)":/;

/** Started at the first costly check. */
const checker = new JobProcess<InstanceJob, boolean>({
  clock: systemClock,
  entry: new URL("./instance-worker.ts", import.meta.url),
  work: "Tool calls are checked",
  cpuLimitMs: CPU_LIMIT_MS,
  maxQueued: MAX_QUEUED,
});

/**
 * Whether a JSON text fits a JSON schema. A keyword that can't be checked, or not in time, counts as met, and so does a
 * schema that is not valid. @throws AppError UNAVAILABLE when too many checks wait.
 */
export async function fitsSchema(text: string, schema: object): Promise<boolean> {
  const job: InstanceJob = { text, schema: JSON.stringify(schema) };
  const isCheap = text.length + job.schema.length <= INLINE_LENGTH && !COSTLY_KEYWORDS.test(job.schema);
  if (isCheap) return runInstanceJob(job);
  try {
    return await checker.run(job);
  } catch (error) {
    if (error instanceof JobLimitError) return true;
    throw error;
  }
}
