import { parentPort } from "node:worker_threads";
import type { DatasetFormat } from "./row.ts";
import { DatasetValidator, type ValidationReport } from "./validator.ts";

export type ValidationJob =
  | { kind: "begin"; format: DatasetFormat | null }
  | { kind: "file"; name: string }
  | { kind: "chunk"; bytes: Uint8Array }
  | { kind: "finish" };

export interface ValidationReply {
  /** The rest need not be sent. */
  isDone: boolean;
  /** The answer to `finish`. */
  report: ValidationReport | null;
}

let validator = new DatasetValidator(null);

function run(job: ValidationJob): ValidationReport | null {
  if (job.kind === "begin") validator = new DatasetValidator(job.format);
  else if (job.kind === "file") validator.beginFile(job.name);
  else if (job.kind === "chunk")
    validator.push(Buffer.from(job.bytes.buffer, job.bytes.byteOffset, job.bytes.byteLength));
  return job.kind === "finish" ? validator.finish() : null;
}

parentPort!.on("message", (job: ValidationJob) => {
  const report = run(job);
  parentPort!.postMessage({ isDone: validator.isDone, report } satisfies ValidationReply);
});
parentPort!.postMessage("ready");
