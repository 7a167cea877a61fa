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
  /** The result is settled, so that the caller can stop sending chunks. */
  isDone: boolean;
  /** With a filter: the rows that passed it since the last response, as lines. */
  passedLines: Uint8Array;
  /** The report, in the response to `finish`; null otherwise. */
  report: ValidationReport | null;
}

const NEWLINE = Buffer.from("\n");
let validator = new DatasetValidator({ format: null });
let passedLines: Buffer[] = [];

function run(job: CheckJob): ValidationReport | null {
  switch (job.kind) {
    case "begin": {
      const match = job.filter === null ? null : compileRowFilter(job.filter);
      validator = new DatasetValidator({
        format: job.format,
        filter: (row, line) => {
          if (match === null) return true;
          if (!match(row)) return false;
          passedLines.push(line, NEWLINE);
          return true;
        },
      });
      return null;
    }
    case "file":
      validator.beginFile(job.name);
      return null;
    case "chunk":
      validator.push(Buffer.from(job.bytes.buffer, job.bytes.byteOffset, job.bytes.byteLength));
      return null;
    case "finish":
      return validator.finish();
  }
}

serveJobs((job: CheckJob): CheckResult => {
  passedLines = [];
  const report = run(job);
  return { isDone: validator.isDone, passedLines: Buffer.concat(passedLines), report };
});
