import { serveJobs } from "../../../platform/process/serve-jobs.ts";
import type { DatasetFormat } from "./row.ts";
import { compileRowFilter } from "./row-filter.ts";
import { DatasetValidator, type ValidationReport } from "./validator.ts";

export type CheckJob =
  | { kind: "begin"; format: DatasetFormat | null; filter: string | null }
  | { kind: "file"; name: string }
  | { kind: "chunk"; bytes: Uint8Array }
  | { kind: "finish" };

export interface CheckResult {
  /** The rest need not be sent. */
  isDone: boolean;
  /** With a filter: the rows that passed it since the last reply, as lines. */
  passedLines: Uint8Array;
  /** The answer to `finish`. */
  report: ValidationReport | null;
}

const NEWLINE = Buffer.from("\n");
let validator = new DatasetValidator({ format: null });
let kept: Buffer[] = [];

function begin({ format, filter }: CheckJob & { kind: "begin" }): void {
  const match = filter === null ? null : compileRowFilter(filter);
  validator = new DatasetValidator({
    format,
    filter: (row, line) => {
      if (match === null) return true;
      if (!match(row)) return false;
      kept.push(line, NEWLINE);
      return true;
    },
  });
}

function run(job: CheckJob): ValidationReport | null {
  if (job.kind === "begin") begin(job);
  else if (job.kind === "file") validator.beginFile(job.name);
  else if (job.kind === "chunk") {
    validator.push(Buffer.from(job.bytes.buffer, job.bytes.byteOffset, job.bytes.byteLength));
  }
  return job.kind === "finish" ? validator.finish() : null;
}

serveJobs((job: CheckJob): CheckResult => {
  kept = [];
  const report = run(job);
  return { isDone: validator.isDone, passedLines: Buffer.concat(kept), report };
});
